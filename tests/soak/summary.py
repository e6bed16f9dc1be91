"""What a run came to, as figures: those that have to be nought, and those that say how much was done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tests.service import Service
from tests.soak.faults import find_faults, stored_windows

if TYPE_CHECKING:
    from tests.soak.run import Run
    from tests.soak.stale_lease_writer import StaleLeaseWriter


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run's figures. `repeated_windows` were transcribed again, since their batch was under way in a kill."""

    jobs: int
    seconds: float
    random_kills: int
    named_kills: dict[str, int]
    mid_attempt: int
    workers_frozen: int
    attempts_taken: int
    attempts_noticed: int
    stale_writes: int
    stale_writes_refused: int
    servers_killed: dict[str, int]
    failed_starts: int
    topic_jobs: int
    topic_messages: int
    topic_results: int
    requests_repeated: int
    followed: int
    follower_returns: int
    windows: int
    repeated_windows: int
    faults: dict[str, int]
    details: dict[str, list[str]]

    @classmethod
    def of(cls, run: Run, stale_writer: StaleLeaseWriter, seconds: float) -> RunSummary:
        """Count. All processes have ended, and all jobs."""
        deaths = run.fleet.deaths
        sources = run.sources
        http, stt, follower = sources.http, sources.stt, sources.follower
        of_sender = dict(run.service.rows("SELECT sender_id, job_id FROM intake WHERE job_id IS NOT NULL"))
        seen = sources.seen(of_sender, list(stale_writer.accepted.elements()))
        faults = find_faults(run.service, seen, run.stored)
        windows = stored_windows(run.service)
        return cls(
            jobs=sources.promised,
            seconds=round(seconds, 1),
            random_kills=deaths.pop("random", 0),
            named_kills={str(point): times for point, times in sorted(deaths.items())},
            mid_attempt=run.mid_attempt,
            workers_frozen=run.freezer.workers,
            attempts_taken=run.freezer.attempts_taken,
            attempts_noticed=run.freezer.attempts_noticed,
            stale_writes=stale_writer.tried,
            stale_writes_refused=stale_writer.refused,
            servers_killed=dict(sorted(run.outages.killed.items())),
            failed_starts=run.fleet.failed_starts,
            topic_jobs=len(stt.promised) if stt else 0,
            topic_messages=stt.published if stt else 0,
            topic_results=sum(map(len, stt.answers.results.values())) if stt else 0,
            requests_repeated=http.repeated if http else 0,
            followed=follower.followed if follower else 0,
            follower_returns=follower.returns if follower else 0,
            windows=sum(map(len, windows.values())),
            repeated_windows=_repeated(run.service, windows),
            faults={name: len(found) for name, found in faults.items()},
            details={name: found[:20] for name, found in faults.items() if found},
        )

    @property
    def interruptions(self) -> int:
        """How often an engine's batch may have been cut off."""
        return self.random_kills + sum(self.named_kills.values()) + self.attempts_taken

    @property
    def is_clean(self) -> bool:
        """Whether every fault is nought."""
        return not any(self.faults.values())

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _repeated(service: Service, windows: dict[str, list[dict[str, Any]]]) -> int:
    """Windows that an engine did more than once; a worker's proof of inference at its start is no job's."""
    of_jobs = {segment["text"] for results in windows.values() for one in results for segment in one["segments"]}
    return sum(text in of_jobs for text in service.engine_log()) - sum(map(len, windows.values()))
