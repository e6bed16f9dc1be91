"""A Celery application with one task that does nothing: `python -m celery -A bench.celery_app worker`.

Everything is Celery's default, but for where Redis is and whether results are kept there.
"""

from __future__ import annotations

import os

from celery import Celery

from bench.celery_tasks import REDIS, RESULTS

_url = os.environ[REDIS]
app = Celery("bench", broker=f"{_url}/0", backend=f"{_url}/1" if os.environ.get(RESULTS) else None)


@app.task(name="nothing")  # type: ignore[untyped-decorator] # Celery ships no types
def nothing() -> None:
    """What an engine that does nothing does."""


def send(count: int) -> None:
    """Say that we are there, wait for a line, then have so many tasks run, sent one after the other."""
    nothing.delay()  # connects
    print("ready", flush=True)
    input()
    for _ in range(count):
        nothing.delay()
