"""How the two processes of a Celery worker are started: the one that hears the queue, and the host that runs jobs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dictograph.celery.beats import HELD, VARIABLE
from dictograph.child.kept import Heartbeat, KeptProcess, KeptSpec
from dictograph.settings.handed import handing
from dictograph.settings.model import Settings

#: The variable that has a Celery worker log as this service does.
LOGS = "_DICTOGRAPH_CELERY_LOGS"

#: The time that an ended host or Celery worker may take beyond the grace, in seconds.
_BEYOND_S = 3.0


def celery_worker(settings: Settings, command: Sequence[str], *, own_logs: bool = False) -> KeptProcess:
    """Return a Celery worker that is kept running. With `own_logs` it logs as this service does."""
    environment = {**handing(settings), LOGS: "1" if own_logs else ""}
    spec = KeptSpec("Celery worker", command, environment, Heartbeat(VARIABLE, HELD))
    return KeptProcess(spec, settings.shutdown_grace)


def command_beside(settings: Settings, node: str) -> list[str]:
    """Return the command of a Celery worker beside a process of ours; `node` is its name before the `@`."""
    pool = str(settings.celery_pool or settings.concurrency)
    worker = ["worker", "-Q", settings.celery_queue, "-n", f"{node}@%h", "-c", pool, "-l", settings.log_level]
    worker += ["--without-gossip"]  # workers have nothing to tell each other
    return [sys.executable, "-P", "-m", "celery", "-q", "-A", "dictograph.celery", *worker]


def command_again() -> list[str]:
    """Return the command with which this process was started."""
    return [sys.executable, *sys.orig_argv[1:]]


def host(settings: Settings, slots: int, log: Path | None) -> KeptProcess:
    """Return the host of a Celery worker, kept running: an ordinary worker with as many slots as the pool has."""
    handed = handing(settings.model_copy(update={"concurrency": slots}))
    spec = KeptSpec("host", [sys.executable, "-P", "-m", "dictograph.celery_host"], handed, stderr=log)
    return KeptProcess(spec, settings.shutdown_grace + _BEYOND_S)
