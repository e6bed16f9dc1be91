"""Run a process that serves until a signal stops it: the API, a worker, or both."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from dictograph.bootstrap import Application, open_application
from dictograph.errors import DictographError
from dictograph.http_listeners import HttpListeners
from dictograph.runtime.signals import stop_signals
from dictograph.runtime.temporary import remove_abandoned
from dictograph.service.compat.path_jobs import root_troubles
from dictograph.service.services import Services
from dictograph.settings.model import Settings
from dictograph.settings.profiles.log_lines import log_working
from dictograph.worker.agent import AgentGroup
from dictograph.worker.worker import Worker

log = logging.getLogger(__name__)

Say = Callable[[str], None]


class AgentDied(DictographError):
    """A part of the process has died. The supervisor of the process should restart it."""

    code = "agent_died"


async def run(settings: Settings, *, api: bool, worker: bool, say: Say, hosted: bool = False) -> signal.Signals:
    """Serve until a signal asks this process to end, then stop in good order. Return the first such signal.

    Args:
        settings: the effective settings.
        api: listen for HTTP.
        worker: claim and run jobs.
        say: called with lines for a person.
        hosted: a Celery worker stands beside this process; it starts none.

    Raises:
        AgentDied: a part has died, so the process was stopped.
        SettingsError, DatabaseUnavailable, …: the process cannot start.
    """
    stop: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()
    for number in stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop, number)
    for trouble in root_troubles(settings):
        log.warning(trouble)
    await asyncio.to_thread(remove_abandoned)
    listeners = HttpListeners(settings, api=api, worker=worker)
    with ExitStack() as stack:

        async def take_addresses(services: Services) -> None:
            await listeners.take(services, stack)

        async with open_application(settings, worker=worker, hosted=hosted, before=take_addresses) as application:
            if worker:
                log_working(settings.profile)
            await _until_first(_tasks(application, stop, listeners, say), application, say)
    return await stop


def _stop(stop: asyncio.Future[signal.Signals], number: signal.Signals) -> None:
    if not stop.done():
        stop.set_result(number)


def _tasks(
    application: Application, stop: asyncio.Future[signal.Signals], listeners: HttpListeners, say: Say
) -> list[asyncio.Task[Any]]:
    """Start the tasks of the process; it stops when one of them ends."""
    return [
        asyncio.create_task(asyncio.wait([stop]), name="stop"),
        asyncio.create_task(listeners.run(application, say), name="http"),
        asyncio.create_task(_watch(application.agents), name="agents"),
    ]


async def _until_first(tasks: Sequence[asyncio.Task[Any]], application: Application, say: Say) -> None:
    """Wait until one of the tasks ends, then stop the server in good order."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        say("Dictograph is stopping: jobs under way go back to the queue and lose nothing.")
        application.resources.stopping.set()
        for task in tasks:
            if task.get_name() != "http":
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(agents: Worker | AgentGroup) -> None:
    error = await agents.died()
    raise AgentDied(f"A part of the process has died ({error}); it stops.") from error
