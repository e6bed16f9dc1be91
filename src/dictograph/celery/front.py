"""What `celery worker` starts: a small process that keeps the Celery worker and its host running.

Neither can take the other one with it. When the Celery worker is started anew, the host goes on with its jobs; when the
host is, tasks go on waiting. Both end with this process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from celery.utils.nodenames import default_nodename, node_format

from dictograph.celery.processes import celery_worker, command_again, host
from dictograph.child.kept import KeptProcess
from dictograph.runtime import logs
from dictograph.runtime.signals import stop_signals

log = logging.getLogger(__name__)

#: The kinds of pool whose tasks can wait without keeping the worker from hearing its queue.
_POOLS = ("prefork", "thread")

_WRONG_POOL = (
    "The pool `{pool}` cannot wait for jobs: its tasks would keep the worker from hearing Redis. Use `-P prefork` "
    "(the default) or `-P threads`."
)


class Front:
    """Stands where Celery's worker would: `start` runs until a signal, or until the Celery worker was told to stop."""

    app: Any = None

    def __init__(
        self,
        app: Any = None,
        hostname: str | None = None,
        pool: Any = None,
        logfile: str | None = None,
        concurrency: Any = None,
        autoscale: Any = None,
        **_: Any,
    ) -> None:
        """Take what the command line says. Raises ClickException for a pool that cannot wait."""
        self.app = app or self.app
        self.exitcode = 0
        _check_pool(pool)
        settings = self.app.settings
        log_file = Path(node_format(logfile, default_nodename(hostname))) if logfile else None
        self._grace = settings.shutdown_grace
        self._log = (settings.log_level, settings.log_format, log_file)
        self._celery = celery_worker(settings, command_again())
        self._host = host(settings, _slots(concurrency, autoscale, self.app.conf.worker_concurrency), log_file)

    def start(self) -> None:
        """Run until a signal, or the Celery worker's proper end."""
        level, form, file = self._log
        logs.configure(level, form, file.open("a") if file else None)
        ended_by = asyncio.run(_run(self._celery, self._host))
        if ended_by is signal.SIGHUP and not sys.stdout.isatty():
            _start_again()


async def _run(celery: KeptProcess, host: KeptProcess) -> signal.Signals | None:
    """Keep both running. Return the signal that ended this; None when the Celery worker has ended as it was told to."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[signal.Signals] = loop.create_future()
    for number in (*stop_signals(), signal.SIGQUIT):
        loop.add_signal_handler(number, _stop, stop, number)
    told = asyncio.create_task(asyncio.wait([stop]), name="stop")
    kept = [
        asyncio.create_task(celery.run(until_well=True), name=celery.name),
        asyncio.create_task(host.run(), name=host.name),
    ]
    try:
        await asyncio.wait([told, *kept], return_when=asyncio.FIRST_COMPLETED)
    finally:
        log.info("the Celery worker stops: jobs under way go back to the queue and lose nothing")
        await asyncio.gather(celery.stop(), host.stop())
        told.cancel()
        await asyncio.gather(*kept)
    return stop.result() if stop.done() else None


def _stop(stop: asyncio.Future[signal.Signals], number: signal.Signals) -> None:
    if not stop.done():
        stop.set_result(number)


def _slots(concurrency: Any, autoscale: Any, configured: int) -> int:
    """Return the largest size of the pool."""
    if autoscale:
        return int(autoscale[0] if not isinstance(autoscale, str) else autoscale.partition(",")[0])
    return int(concurrency) if str(concurrency or "").isdecimal() else configured


def _check_pool(pool: Any) -> None:
    name = pool if isinstance(pool, str) else getattr(pool, "__module__", "prefork")
    kind = name.rpartition(".")[2]
    if not kind.startswith(_POOLS):
        raise click.ClickException(_WRONG_POOL.format(pool=kind))


def _start_again() -> NoReturn:
    command = command_again()
    os.execv(command[0], command)  # noqa: S606 - the same command once more, as Celery does
