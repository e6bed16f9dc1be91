"""Thousands of subscribers without events, hundreds that never read, and their effect on all other clients."""

from __future__ import annotations

import statistics
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import Connection, update

from bench.crowd import Crowd, Requests, crowd_of
from bench.figure import AT_MOST, Check, Goal, Measured, Table
from bench.room import Room
from dictograph.job import LOCAL_OWNER, Options, Source, SourceKind, StoredAudio
from dictograph.store import events, tables
from dictograph.store.database import Database
from dictograph.store.jobs.accept import NewJob, create_job
from tests.service import Service, eventually

NAME = "subscribers"
TITLE = "5,000 idle and 200 stalled subscribers on one process while jobs run: longest delay of everybody else"
GOAL = Goal(AT_MOST, 1.0, "s")

#: The time (s) after which a client that reads nothing is disconnected; the default is longer.
_UNREAD_S = 20
#: The most memory that all subscribers together may take, and its highest growth after they are connected (MiB).
_MOST_MIB = 512
_GROWTH_MIB = 96
_IDLE_JOBS = 100
_LIVE_JOBS = 4
_READERS = 5


@dataclass(frozen=True)
class _Size:
    """The number of subscribers of each kind, and how long they are watched (s)."""

    idle: int = 5000
    stalled: int = 200
    seconds: float = 45.0


def measure(room: Room) -> Measured:
    size = _Size(300, 20, 8.0) if room.quick else _Size()
    with room.service("service", unread_timeout=f"{_UNREAD_S}s") as service:
        service.behave(delay=0.2, max_batch=1)
        with _store(service) as database:
            idle, loud = _prepare(database)
            with crowd_of(service) as crowd:
                return _Run(room, size, service, database, crowd, idle, loud).measured()


class _Run:
    """One measurement, step by step."""

    def __init__(
        self, room: Room, size: _Size, service: Service, database: Database, crowd: Crowd, idle: list[str], loud: str
    ) -> None:
        self._room, self._size = room, size
        self._service, self._database, self._crowd = service, database, crowd
        self._idle, self._loud = idle, loud
        assert service.process is not None
        self._process = psutil.Process(service.process.pid)

    def measured(self) -> Measured:
        self._warm_up()
        alone = self._requests(min(self._size.seconds, 5.0))
        before = self._memory()
        seconds = self._open()
        time.sleep(2)  # until the buffers of subscribers that do not read are full
        filled = self._memory()
        self._room.say(
            f"{self._size.idle + self._size.stalled:,} subscribers in {seconds:.0f} s: {filled - before:.0f} MiB"
        )
        delays, requests = self._watch()
        eventually(lambda: self._crowd.tell("stalled")["alive"] == 0, 3 * _UNREAD_S, "stalled clients are kept")
        after = self._memory()
        self._room.say(f"once they are there, memory grows by {after - filled:.1f} MiB")
        value = max(*delays, *requests.took)
        return Measured(
            value=round(value, 3),
            checks=self._checks(filled - before, after - filled, requests.failed),
            details=_table(before, filled, after, self._size, alone.took, delays, requests.took),
            notes=tuple(" ".join(note.split()) for note in _NOTES),
            reason="a subscriber still costs the event loop too much",
        )

    def _warm_up(self) -> None:
        """Run a job: memory that the first job loads belongs to an idle service."""
        audio = self._room.folder / "short.wav"
        _silence(audio, 60)
        self._service.wait_for(self._service.submit(audio, vad_filter="false"))

    def _open(self) -> float:
        began = time.monotonic()
        half = self._size.idle // 2
        self._crowd.open("sse", "sse", self._idle, half)
        self._crowd.open("ws", "ws", self._idle, self._size.idle - half)
        for kind in ("sse", "ws"):
            self._crowd.open("stalled", kind, [self._loud], self._size.stalled // 2, read=False)
        return time.monotonic() - began

    def _watch(self) -> tuple[list[float], Requests]:
        """Run jobs while some clients follow them and others send various requests."""
        audio = self._room.folder / "long.wav"
        _silence(audio, self._size.seconds / _LIVE_JOBS / 0.2 * 30)
        jobs = [self._service.submit(audio, vad_filter="false") for _ in range(_LIVE_JOBS)]
        for kind in ("sse", "ws"):
            self._crowd.open("live", kind, jobs, _READERS * _LIVE_JOBS // 2, note=True)
        joined = time.time()
        requests = self._requests(self._size.seconds)
        heard = self._crowd.tell("live")["events"]
        made = {(event.job_id, event.seq): event.created_at.timestamp() for job in jobs for event in self._log(job)}
        news = [(made[job, seq], at) for job, seq, _, at in heard]
        # Events from before the subscription were not new when they arrived.
        delays = [at - then for then, at in news if then > joined]
        return delays, requests

    def _requests(self, seconds: float) -> Requests:
        with Requests(self._service.base, self._idle[0]) as requests:
            time.sleep(seconds)
        return requests

    def _log(self, job: str) -> list[events.Event]:
        return self._database.read_now(lambda c: events.read_events(c, job, 0, 100_000))

    def _memory(self) -> float:
        """Return the private memory of the service's own process, in MiB."""
        return float(self._process.memory_full_info().uss) / 2**20

    def _checks(self, taken: float, grown: float, failed: int) -> tuple[Check, ...]:
        alive = self._crowd.tell("sse")["alive"] + self._crowd.tell("ws")["alive"]
        return (
            Check(f"all take at most {_MOST_MIB} MiB together", taken <= _MOST_MIB),
            Check(f"once they are there, memory grows by at most {_GROWTH_MIB} MiB", grown <= _GROWTH_MIB),
            Check("no idle subscriber was lost or refused", alive == self._size.idle),
            Check("every stalled one was given up", self._crowd.tell("stalled")["alive"] == 0),
            Check("no other request failed", failed == 0),
        )


_NOTES = (
    f"""Half of all subscribers use Server-Sent Events, half WebSockets, on real connections from a process of their
    own. The idle ones follow {_IDLE_JOBS} jobs that wait; their place in the queue is looked up every other second.""",
    f"""The stalled ones follow a job with 3 MB of events and never read. They are given up after {_UNREAD_S} s here
    (`DICTOGRAPH_UNREAD_TIMEOUT`, by default 60 s).""",
    f"""Meanwhile {_LIVE_JOBS} jobs run in the same process, with an engine that does nothing for 0.2 s a window;
    {_LIVE_JOBS * _READERS} others follow them. Their delay is from the event's own time, inside the transaction that
    writes it, to its arrival.""",
    "Requests are four kinds of GET in turn, one at a time.",
)


def _table(
    before: float, filled: float, after: float, size: _Size, alone: list[float], delays: list[float], took: list[float]
) -> Table:
    each = (filled - before) / (size.idle + size.stalled) * 1024
    rows: list[tuple[str | float, ...]] = [
        ("private memory before, MiB", before),
        ("with all subscribers, MiB", filled),
        ("at the end, MiB", after),
        ("a subscriber, KiB", each),
    ]
    for name, sample in (
        ("request without subscribers", alone),
        ("request with them", took),
        ("delay of an event", delays),
    ):
        rows += [(f"{name}, {word}, ms", _percentile(sample, n) * 1000) for word, n in (("median", 50), ("p99", 99))]
        rows.append((f"{name}, longest, ms", max(sample) * 1000))
    return Table(("what", "value"), tuple(rows))


@contextmanager
def _store(service: Service) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{service.data / 'dictograph.db'}")
    try:
        yield database
    finally:
        database.close_now()


def _prepare(database: Database) -> tuple[list[str], str]:
    """Create jobs that no worker here can run: many that only wait, and one with a long log."""
    names = [f"idle-{number}" for number in range(_IDLE_JOBS)]
    for name in (*names, "loud"):
        database.write_now(lambda c, n=name: create_job(c, _unrunnable(n)))  # type: ignore[misc] # bound in the loop

    def fill(conn: Connection) -> None:
        told = [("warning", {"code": "loud", "message": "x" * 10_000, "start": None, "end": None})] * 300
        conn.execute(update(tables.job).where(tables.job.c.id == "loud").values(last_seq=301))
        events.append(conn, "loud", 2, told)

    database.write_now(fill)
    return names, "loud"


def _unrunnable(name: str) -> NewJob:
    audio = StoredAudio(f"{name}/0-audio", "0" * 64, 1)
    options = Options.model_validate({"engine": "absent"})
    return NewJob(name, LOCAL_OWNER, "talk.mp3", Source(SourceKind.UPLOAD), options, audio=audio)


def _silence(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(b"\x80" * int(8000 * seconds))


def _percentile(sample: list[float], percent: int) -> float:
    return statistics.quantiles(sample, n=100, method="inclusive")[percent - 1]
