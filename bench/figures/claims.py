"""How many jobs can be claimed in a second, from a small table and from one of a million rows."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.figure import AT_LEAST, Goal, Line, Measured, Plot, Table
from bench.filling import Mix, fill
from bench.room import Room
from dictograph.store.database import Database
from dictograph.store.jobs.claim import Claim, Claimant, claim_job
from dictograph.store.migrate import upgrade
from tests.postgres import cluster

NAME = "claims"
TITLE = "Claims per second with 1 million rows ÷ with 1 thousand"
GOAL = Goal(AT_LEAST, 0.8)

#: The large table: nearly all jobs have ended, as in a service that has run for a long time.
_LARGE = Mix(ended=990_950, pending=9_000, running=50)
_SMALL = Mix(ended=50, pending=900, running=50)
_QUICK = Mix(ended=19_000, pending=950, running=50)
_CLAIMERS = {"SQLite": 1, "PostgreSQL": 4}
_WARM_UP = 40
_CLAIMS = 200
_ROUNDS = 3


@dataclass(frozen=True)
class _Table:
    """A filled table on one kind of database, and what was measured on it, in claims per second."""

    kind: str
    rows: int
    speeds: tuple[float, ...]

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)


def measure(room: Room) -> Measured:
    mixes = (_SMALL, _QUICK if room.quick else _LARGE)
    tables: dict[str, list[_Table]] = {}
    for kind in _CLAIMERS:
        with _databases(kind, room, len(mixes)) as urls:
            tables[kind] = _measured(room, kind, dict(zip(urls, mixes, strict=True)))
    ratios = {kind: large.speed / small.speed for kind, (small, large) in tables.items()}
    lines = tuple(
        Line(kind, tuple(float(one.rows) for one in both), tuple(one.speed for one in both))
        for kind, both in tables.items()
    )
    return Measured(
        value=round(min(ratios.values()), 3),
        details=Table(
            ("database", "claimers at once", "claims/s, small", "claims/s, large", "ratio"),
            tuple((kind, _CLAIMERS[kind], both[0].speed, both[1].speed, ratios[kind]) for kind, both in tables.items()),
        ),
        plot=Plot("bars", "rows in the table", "claims per second", tuple(_with_words(line) for line in lines)),
        notes=tuple(" ".join(note.split()) for note in _NOTES),
        reason="the claim's query reads more of the larger table than the rows it may take",
    )


_NOTES = (
    """A thousand rows are 900 pending, 50 running and 50 ended jobs; a million are 9,000 pending, 50 running, the rest
    ended. Pending jobs belong to 20 owners and have five priorities.""",
    f"""A claim is the product's own: the best row by priority, fairness between owners and age, taken with a lease and
    its event, committed durably. {_CLAIMS} are timed after {_WARM_UP} to warm up, in turn on the small and the large
    table; the median of {_ROUNDS} rounds counts, and the worse of the two databases.""",
    "On PostgreSQL four claimers, each with a pool of its own, claim at the same time.",
)


def _with_words(line: Line) -> Line:
    return Line(line.label, tuple(f"{rows:,.0f}" for rows in line.x if isinstance(rows, float)), line.y)


def _measured(room: Room, kind: str, mixes: dict[str, Mix]) -> list[_Table]:
    for url, mix in mixes.items():
        began = time.monotonic()
        upgrade(url)
        fill(url, mix)
        room.say(f"{kind}: {mix.rows:,} rows in {time.monotonic() - began:.0f} s")
    speeds: dict[str, list[float]] = {url: [] for url in mixes}
    for _ in range(1 if room.quick else _ROUNDS):
        for url in mixes:  # in turn, so that other load of the machine affects both alike
            speeds[url].append(asyncio.run(_claims_per_second(url, _CLAIMERS[kind])))
    for url, mix in mixes.items():
        room.say(f"{kind}: {statistics.median(speeds[url]):.0f} claims/s with {mix.rows:,} rows")
    return [_Table(kind, mix.rows, tuple(speeds[url])) for url, mix in mixes.items()]


async def _claims_per_second(url: str, claimers: int) -> float:
    with ExitStack() as stack:
        databases = [Database.open(url) for _ in range(claimers)]
        for database in databases:
            stack.callback(database.close_now)
        await _claim(databases, _WARM_UP)
        began = time.monotonic()
        claims = await _claim(databases, _CLAIMS)
        took = time.monotonic() - began
    ids = {claim.job.id for claim in claims}
    assert len(ids) == len(claims), "a job was claimed twice"
    return len(claims) / took


async def _claim(databases: list[Database], count: int) -> list[Claim]:
    """Make `count` claims. Each claimer makes its share one after the other."""

    async def share(number: int, database: Database) -> list[Claim]:
        claimant = Claimant(f"claimer-{number}", 600.0, frozenset({("auto", "")}), busy=True)
        claims = [await database.write(lambda c: claim_job(c, claimant)) for _ in range(count // len(databases))]
        return [claim for claim in claims if isinstance(claim, Claim)]

    shares = await asyncio.gather(*(share(number, database) for number, database in enumerate(databases)))
    claims = [claim for one in shares for claim in one]
    assert len(claims) == count // len(databases) * len(databases), "there was nothing left to claim"
    return claims


@contextmanager
def _databases(kind: str, room: Room, count: int) -> Iterator[list[str]]:
    if kind == "SQLite":
        yield [f"sqlite:///{room.folder / f'claims-{number}.db'}" for number in range(count)]
    else:
        with cluster() as one:
            yield [one.new_database() for _ in range(count)]
