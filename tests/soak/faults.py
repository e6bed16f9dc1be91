"""What has to be nought after a run, and how it is looked for: in the database, in the folders, and in what clients
have seen."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.service import Service
from tests.soak.stored import InFolder, Stored, unnamed_files

#: Each fault with what it means.
FAULTS = {
    "lost": "promised jobs that are not completed",
    "ended_twice": "jobs with more than one terminal event, or none",
    "event_gaps": "jobs whose events are not numbered 1, 2, 3, …",
    "windows_twice": "windows that were committed more than once",
    "attempts_mixed": "jobs whose attempts did not begin in order",
    "orphans": "files that no row names, scratch and lock files of the dead",
    "stale_writes_accepted": "writes under a lease that was over, and yet went through",
    "transcripts_differ": "audio files whose jobs have not all the same transcript",
    "keys_with_two_jobs": "jobs beyond one for each key of a client",
    "followers_missed": "jobs of which a follower that came back missed an event",
}

#: Those of jobs from a topic.
STT_FAULTS = {
    "unanswered": "jobs from a topic without a result",
    "wrong_status": "jobs from a topic that end otherwise than they have to",
    "two_answers": "jobs from a topic with results, or dead letters, of two message ids",
    "repeats_differ": "jobs from a topic with a repeated answer that is not the same, byte for byte",
    "letters": "jobs from a topic with FAILED and no dead letter before it, or with a letter and no FAILED",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What others have seen of a run: clients the file of each job that they were promised, and keys that gave two;
    a follower, what it missed; an impostor, writes of its that went through. `failing` are jobs that have to fail,
    `answers` the faults of the jobs from a topic."""

    promised: Mapping[str, Path]
    two_of_a_key: Iterable[str] = field(default=())
    missed: Iterable[str] = field(default=())
    accepted: Iterable[str] = field(default=())
    failing: Iterable[str] = field(default=())
    answers: Mapping[str, Iterable[str]] = field(default_factory=dict)


def find_faults(service: Service, seen: Seen, stored: Stored | None = None) -> dict[str, list[str]]:
    """What is wrong, by the names of `FAULTS` and `STT_FAULTS`. All processes of the service have ended, and all jobs.
    `stored` is its storage, unless that is its folder."""
    status = dict(service.rows("SELECT id, CAST(status AS TEXT) FROM transcription_job"))
    told = _events(service)
    failing = set(seen.failing)
    found: dict[str, Iterable[Any]] = {
        "lost": [job for job in seen.promised if status.get(job) != "completed"],
        "ended_twice": [job for job in status if len(_of(told[job], "completed", "failed", "cancelled")) != 1],
        "event_gaps": _gaps(service, told),
        "windows_twice": [job for job in status if not _counts_up(_numbers(told[job], "segments", "index"), 0)],
        "attempts_mixed": [job for job in status if not _counts_up(_numbers(told[job], "started", "attempt"), 1)],
        "orphans": [
            *unnamed_files(service, stored or InFolder(service)),
            *(service.data / "processes").glob("*.lock"),
        ],
        "stale_writes_accepted": seen.accepted,
        "transcripts_differ": _different(seen.promised, stored_windows(service)),
        "keys_with_two_jobs": [*seen.two_of_a_key, *(set(status) - set(seen.promised) - failing)],
        "followers_missed": seen.missed,
        **{name: seen.answers.get(name, ()) for name in STT_FAULTS},
    }
    assert found.keys() == (FAULTS | STT_FAULTS).keys()
    return {name: sorted(map(str, items)) for name, items in found.items()}


def stored_windows(service: Service) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for job, result in service.rows("SELECT job_id, result FROM transcription_window ORDER BY job_id, number"):
        found[job].append(_parsed(result))
    return found


_Event = tuple[int, str, dict[str, Any]]


def _events(service: Service) -> dict[str, list[_Event]]:
    found: dict[str, list[_Event]] = defaultdict(list)
    for job, seq, type, data in service.rows("SELECT job_id, seq, type, data FROM events ORDER BY job_id, seq"):
        found[job].append((seq, type, _parsed(data)))
    return found


def _of(events: list[_Event], *types: str) -> list[_Event]:
    return [event for event in events if event[1] in types]


def _numbers(events: list[_Event], type: str, field: str) -> list[int]:
    return [int(data[field]) for _, _, data in _of(events, type)]


def _counts_up(numbers: list[int], first: int) -> bool:
    return numbers == list(range(first, first + len(numbers)))


def _gaps(service: Service, told: dict[str, list[_Event]]) -> list[str]:
    last = dict(service.rows("SELECT id, last_seq FROM transcription_job"))
    return [job for job, seq in last.items() if [number for number, _, _ in told[job]] != list(range(1, seq + 1))]


def _different(promised: Mapping[str, Path], windows: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    ways: dict[str, set[str]] = defaultdict(set)
    for job, file in promised.items():
        ways[file.name].add(json.dumps(windows.get(job), sort_keys=True))
    return [f"{name}: {len(found)} transcripts" for name, found in ways.items() if len(found) > 1]


def _parsed(value: Any) -> Any:
    """JSON, which SQLite gives as text."""
    return json.loads(value) if isinstance(value, str) else value
