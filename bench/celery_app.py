"""A Celery application with one task that does nothing: `python -m celery -A bench.celery_app worker`.

All settings are Celery's defaults, except the address of Redis and whether results are kept there.
"""

from __future__ import annotations

import os

from celery import Celery

from bench.celery_tasks import REDIS, RESULTS

_url = os.environ[REDIS]
app = Celery("bench", broker=f"{_url}/0", backend=f"{_url}/1" if os.environ.get(RESULTS) else None)


@app.task(name="nothing")  # type: ignore[untyped-decorator] # Celery ships no types
def nothing() -> None:
    """Do nothing, as an engine that does nothing."""


def send(count: int) -> None:
    """Report that the process is ready, wait for a line, then send `count` tasks one after the other."""
    nothing.delay()  # connects
    print("ready", flush=True)
    input()
    for _ in range(count):
        nothing.delay()
