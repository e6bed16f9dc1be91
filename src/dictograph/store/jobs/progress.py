"""The writes of a worker while it runs a job. Every write is fenced and adds its event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select, update

from dictograph.errors import DictographError
from dictograph.job import FrozenEngine, Lease, StoredAudio
from dictograph.store import events
from dictograph.store.jobs.lease import FENCED, fence, fenced
from dictograph.store.jobs.rows import JobRow
from dictograph.store.tables import job, window
from dictograph.store.text_type import cleaned

WarningDict = Mapping[str, Any]

#: The codes of the warnings that say something of the windows, their text and their language.
_OF_WINDOWS = frozenset({"speech_without_words", "other_language", "language_uncertain", "no_words_found"})

_PLANNED = FENCED.values(windows_planned=job.c.windows_planned + bindparam("more"))
_end = select(window.c.end_s).where(window.c.job_id == job.c.id, window.c.number == bindparam("last"))
_furthest = _end.correlate(job).scalar_subquery()
_COMMITTED = FENCED.values(
    windows_done=job.c.windows_done + bindparam("more"),
    # A window of one channel may end before an earlier one of another channel.
    seconds_done=case((_furthest > job.c.seconds_done, _furthest), else_=job.c.seconds_done),
    speech_seconds=func.coalesce(job.c.speech_seconds, 0.0) + bindparam("spoken"),
    covered_seconds=func.coalesce(job.c.covered_seconds, 0.0) + bindparam("covered"),
)
_PLAN = insert(window)
_RESULT = (
    update(window)
    .where(window.c.job_id == bindparam("of_job"), window.c.number == bindparam("index"), window.c.result.is_(None))
    .returning(window.c.start_s, window.c.end_s, window.c.channel)
)


@dataclass(frozen=True, slots=True)
class PlannedWindow:
    """A part of the audio to transcribe, in seconds of the original, with the SHA-256 of its samples.

    `spans` are the parts in which somebody speaks, in seconds of the original, None if that is unknown; `channel`
    (from 1) is None where the channels are mixed.
    """

    index: int
    start: float
    end: float
    sha256: str
    spans: tuple[tuple[float, float], ...] | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """A window as it is stored. `result` is `WindowResult.as_dict()` with its segments in the time
    of the original; None until it is committed."""

    index: int
    start: float
    end: float
    sha256: str
    result: dict[str, Any] | None
    spans: tuple[tuple[float, float], ...] | None = None
    channel: int | None = None


def record_audio(conn: Connection, lease: Lease, audio: StoredAudio) -> None:
    """Record that the job's audio is in storage."""
    fence(conn, lease, 0, audio_name=audio.name, audio_sha256=audio.sha256, audio_size=audio.size)


def freeze_engine(conn: Connection, lease: Lease, frozen: FrozenEngine, warnings: Sequence[WarningDict]) -> None:
    """Fix the engine and exact model for this attempt and all later ones."""
    fresh, grown = _new_warnings(conn, lease, warnings)
    first = fence(
        conn,
        lease,
        1 + len(fresh),
        frozen_engine=frozen.engine,
        frozen_model=frozen.model,
        frozen_revision=frozen.revision,
        claim_engine=frozen.engine,
        claim_model=frozen.model,
        **grown,
    )
    data = {"engine": frozen.engine, "model": frozen.model, "revision": frozen.revision}
    events.append(conn, lease.job_id, first, [("engine", data), *_as_events(fresh)])


def freeze_language(
    conn: Connection,
    lease: Lease,
    language: str | None,
    probability: float | None,
    warnings: Sequence[WarningDict] = (),
) -> None:
    """Fix the language for all windows; None when it cannot be detected."""
    fresh, grown = _new_warnings(conn, lease, warnings)
    first = fence(conn, lease, 1 + len(fresh), language=language, language_probability=probability, **grown)
    data = {"language": language, "probability": probability}
    events.append(conn, lease.job_id, first, [("language", data), *_as_events(fresh)])


def conclude_language(
    conn: Connection, lease: Lease, most_spoken: tuple[str, float] | None, warnings: Sequence[WarningDict]
) -> None:
    """Record what all windows together say about the job's language: what is spoken most, where it is known, and
    warnings. Done again, it changes nothing."""
    fresh, grown = _new_warnings(conn, lease, warnings)
    data: list[tuple[str, WarningDict]] = _as_events(fresh)
    if most_spoken is not None and most_spoken != _language(conn, lease):
        language, probability = most_spoken
        grown |= {"language": language, "language_probability": probability}
        data.insert(0, ("language", {"language": language, "probability": probability}))
    if data:
        events.append(conn, lease.job_id, fence(conn, lease, len(data), **grown), data)


def _language(conn: Connection, lease: Lease) -> tuple[str | None, float | None]:
    row = conn.execute(select(job.c.language, job.c.language_probability).where(job.c.id == lease.job_id)).one()
    return row.language, row.language_probability


def warn(conn: Connection, lease: Lease, warnings: Sequence[WarningDict]) -> None:
    """Add warnings to the job, each with its event; those that it has already are left out."""
    fresh, grown = _new_warnings(conn, lease, warnings)
    if fresh:
        first = fence(conn, lease, len(fresh), **grown)
        events.append(conn, lease.job_id, first, _as_events(fresh))


def plan_windows(
    conn: Connection, lease: Lease, windows: Sequence[PlannedWindow], duration: float, rules: str | None = None
) -> None:
    """Append windows to the plan. `duration` is the length of the audio as far as it is known, in seconds; `rules` is
    the version of the rules for the plan."""
    row = fenced(conn, lease, 1, _PLANNED, more=len(windows), duration=duration, rules=rules)
    if row.plan_complete:
        raise DictographError(f"The plan of job {lease.job_id} is complete; no window can be added.")
    _check_run([w.index for w in windows], row.windows_planned - len(windows), lease)
    if windows:
        conn.execute(_PLAN, [_planned_values(lease.job_id, w) for w in windows])
    events.append(conn, lease.job_id, row.last_seq, [("plan", _plan_data(row))])


def finish_plan(
    conn: Connection, lease: Lease, duration: float, warnings: Sequence[WarningDict], rules: str | None = None
) -> None:
    """Complete the plan: all windows are planned, and `duration` is exact. `rules` is as for `plan_windows`."""
    fresh, grown = _new_warnings(conn, lease, warnings)
    row = fenced(conn, lease, 1 + len(fresh), plan_complete=True, duration=duration, rules=rules, **grown)
    first = row.last_seq - len(fresh)
    events.append(conn, lease.job_id, first, [("plan", _plan_data(row)), *_as_events(fresh)])


def restart_windows(conn: Connection, lease: Lease, code: str, reason: str) -> None:
    """Drop the plan, all results and the language, because the samples or the rules have changed. Warnings that rest on
    them are dropped too: where they are still true, they come again."""
    kept = [warning for warning in _warnings(conn, lease) if warning.get("code") not in _OF_WINDOWS]
    first = fence(
        conn,
        lease,
        1,
        windows_planned=0,
        windows_done=0,
        seconds_done=0.0,
        speech_seconds=None,
        covered_seconds=None,
        plan_complete=False,
        rules=None,
        duration=None,
        language=None,
        language_probability=None,
        warnings=kept,
    )
    conn.execute(delete(window).where(window.c.job_id == lease.job_id))
    events.append(conn, lease.job_id, first, [("restarted", {"code": code, "reason": reason})])


@dataclass(frozen=True, slots=True)
class SpeechSeconds:
    """Seconds of speech in some windows, and those of them for which there are words."""

    spoken: float = 0.0
    covered: float = 0.0


def commit_windows(
    conn: Connection,
    lease: Lease,
    results: Sequence[tuple[int, dict[str, Any]]],
    account: SpeechSeconds = SpeechSeconds(),
    warnings: Sequence[WarningDict] = (),
    *,
    refills: bool = True,
) -> None:
    """Store the results of the next windows, (index, result) in order. The retry budget is full again if it `refills`.

    `account` is added to the job's, as are `warnings`, after the events of the windows.

    Raises DictographError when they are not the next ones, or were never planned.
    """
    if not results:
        return
    fresh, grown = _new_warnings(conn, lease, warnings)
    count = len(results) + len(fresh)
    row = fenced(
        conn,
        lease,
        count,
        _COMMITTED,
        more=len(results),
        last=results[-1][0],
        alone=False,
        spoken=account.spoken,
        covered=account.covered,
        **({"failures": 0} if refills else {}),
        **grown,
    )
    _check_run([index for index, _ in results], row.windows_done - len(results), lease)
    data = [("segments", _commit_window(conn, row, index, result)) for index, result in results]
    events.append(conn, lease.job_id, row.last_seq - count + 1, [*data, *_as_events(fresh)])


def _commit_window(conn: Connection, row: JobRow, index: int, result: dict[str, Any]) -> dict[str, Any]:
    stored = conn.execute(_RESULT, {"of_job": row.id, "index": index, "result": result}).one_or_none()
    if stored is None:
        raise DictographError(f"Window {index} of job {row.id} was never planned, or is committed already.")
    done = stored.end_s if stored.channel is None else row.seconds_done
    shape = {
        "index": index,
        "start": stored.start_s,
        "end": stored.end_s,
        "segments": _shown(result["segments"], row),
        "progress": _progress(done, row.duration),
        "seconds_done": done,
        "duration": row.duration,
    }
    return shape if stored.channel is None else shape | {"channel": stored.channel}


def _shown(segments: Sequence[dict[str, Any]], row: JobRow) -> list[dict[str, Any]]:
    """Return the segments with their words only where the job asked for them: they are stored in any case."""
    if row.options.get("word_timestamps"):
        return list(segments)
    return [{**segment, "words": []} if segment.get("words") else segment for segment in segments]


def _progress(seconds_done: float, duration: float | None) -> float:
    return round(min(seconds_done / duration, 0.999), 4) if duration else 0.0


def _check_run(given: Sequence[int], expected: int, lease: Lease) -> None:
    if list(given) != list(range(expected, expected + len(given))):
        raise DictographError(f"Windows {list(given)} of job {lease.job_id} are out of order: {expected} is next.")


def _planned_values(job_id: str, planned: PlannedWindow) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "number": planned.index,
        "start_s": planned.start,
        "end_s": planned.end,
        "sha256": planned.sha256,
        "channel": planned.channel,
        "spans": planned.spans,
        "result": None,
    }


def _plan_data(row: JobRow) -> dict[str, Any]:
    return {"windows": row.windows_planned, "duration": row.duration}


def _as_events(warnings: Sequence[WarningDict]) -> list[tuple[str, WarningDict]]:
    return [("warning", warning) for warning in warnings]


def _new_warnings(
    conn: Connection, lease: Lease, warnings: Sequence[WarningDict]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the warnings that the job does not have yet, and the changed columns of its row. An attempt that resumes
    finds the same warnings again."""
    if not warnings:
        return [], {}
    before = _warnings(conn, lease)
    fresh: list[dict[str, Any]] = []
    for warning in map(cleaned, map(dict, warnings)):
        if warning not in before and warning not in fresh:
            fresh.append(warning)
    return fresh, {"warnings": [*before, *fresh]}


def _warnings(conn: Connection, lease: Lease) -> list[dict[str, Any]]:
    """Return the job's warnings; its row is locked."""
    locked = select(job.c.warnings).where(job.c.id == lease.job_id).with_for_update()
    return list(conn.execute(locked).scalar_one_or_none() or ())
