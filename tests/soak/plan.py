"""How much a run does to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dictograph.runtime.crash import Point


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done to whom. `kills` are those at a random time, of any process; of these and of those at named
    `points` at least `mid_attempt` have to meet a worker that has a job. `freezes` are of a worker, past its leases.
    Each server is killed `outages` times. `pause` is the time from one kill to the next, in seconds, at least and at
    most; after each `burst` of kills there are `rest` seconds without one, in which a consumer group finds together
    again. `relentless`: it is killed on until all jobs are there, however many kills that makes."""

    jobs: int
    kills: int
    mid_attempt: int
    freezes: int
    points: Sequence[Point] = ()
    outages: int = 0
    pause: tuple[float, float] = (1.0, 3.0)
    burst: int = 4
    rest: float = 0.0
    relentless: bool = False
    seed: int = 20261121
    limit_s: float = 1800
