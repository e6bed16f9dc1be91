"""What has to be nought after a run, and how it is looked for: in the database, in the folders, and in what clients
have seen."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.files import files_below
from tests.service import Service

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


@dataclass(frozen=True, slots=True)
class Seen:
    """What others have seen of a run: clients the file of each job that they were promised, and keys that gave two;
    a follower, what it missed; an impostor, writes of its that went through."""

    promised: Mapping[str, Path]
    two_of_a_key: Iterable[str] = field(default=())
    missed: Iterable[str] = field(default=())
    accepted: Iterable[str] = field(default=())


def find_faults(service: Service, seen: Seen) -> dict[str, list[str]]:
    """What is wrong, by the names of `FAULTS`. All processes of the service have ended, and all jobs."""
    status = dict(service.rows("SELECT id, CAST(status AS TEXT) FROM transcription_job"))
    told = _events(service)
    found: dict[str, Iterable[Any]] = {
        "lost": [job for job in seen.promised if status.get(job) != "completed"],
        "ended_twice": [job for job in status if len(_of(told[job], "completed", "failed", "cancelled")) != 1],
        "event_gaps": _gaps(service, told),
        "windows_twice": [job for job in status if not _counts_up(_numbers(told[job], "segments", "index"), 0)],
        "attempts_mixed": [job for job in status if not _counts_up(_numbers(told[job], "started", "attempt"), 1)],
        "orphans": [*unnamed_files(service), *(service.data / "processes").glob("*.lock")],
        "stale_writes_accepted": seen.accepted,
        "transcripts_differ": _different(seen.promised, stored_windows(service)),
        "keys_with_two_jobs": [*seen.two_of_a_key, *(set(status) - set(seen.promised))],
        "followers_missed": seen.missed,
    }
    assert found.keys() == FAULTS.keys()
    return {name: sorted(map(str, items)) for name, items in found.items()}


def unnamed_files(service: Service) -> list[str]:
    """Stored objects that no row names, and decoded audio that no attempt uses."""
    blobs, scratch = service.data / "blobs", service.data / "scratch"
    stored = [str(path.relative_to(blobs)) for path in files_below(blobs)]
    named = {name for (name,) in service.rows("SELECT audio_name FROM transcription_job WHERE audio_name IS NOT NULL")}
    decoded = [str(path) for path in files_below(scratch) if path.suffix == ".pcm"]
    return [name for name in stored if name not in named] + decoded


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
