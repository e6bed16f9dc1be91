"""Run a process that serves until a signal stops it: the API, a worker, or both."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from dictograph.api.app import create_app
from dictograph.api.exposure import check_exposure
from dictograph.api.server.connection import ConnectionLimits
from dictograph.api.server.serve import listening_socket, serve
from dictograph.banner import banner, profiles
from dictograph.bootstrap import Application, open_application
from dictograph.contract import Address
from dictograph.errors import DictographError
from dictograph.runtime.signals import stop_signals
from dictograph.runtime.temporary import remove_abandoned
from dictograph.service.compat.path_jobs import root_troubles
from dictograph.service.services import Services
from dictograph.settings.model import Settings
from dictograph.settings.profiles.log_lines import log_listening, log_working
from dictograph.store.keys import any_keys
from dictograph.worker.agent import AgentGroup
from dictograph.worker.worker import Worker

log = logging.getLogger(__name__)

Say = Callable[[str], None]


class AgentDied(DictographError):
    """A part of the process has died. The supervisor of the process should restart it."""

    code = "agent_died"


async def run(settings: Settings, *, api: bool, worker: bool, say: Say) -> signal.Signals:
    """Serve until a signal asks this process to end, then stop in good order. Return the first such signal.

    Args:
        settings: the effective settings.
        api: listen for HTTP.
        worker: claim and run jobs.
        say: called with lines for a person.

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
    with ExitStack() as stack:
        sockets: list[socket.socket] = []

        async def take_addresses(services: Services) -> None:
            if api:
                await check_exposure(_addresses(settings), services.authentication, settings)
                found = (listening_socket(one.authority) for one in _addresses(settings))
                sockets.extend(stack.enter_context(one) for one in found)

        async with open_application(settings, worker=worker, before=take_addresses) as application:
            if worker:
                log_working(settings.profile)
            if not api:
                about = f"Dictograph worker on {settings.data_dir}, engine {application.engine_in_words()}"
                say("\n".join([about, *profiles(settings)]))
            await _until_first(_tasks(application, stop, sockets, say), application, say)
    return await stop


def _stop(stop: asyncio.Future[signal.Signals], number: signal.Signals) -> None:
    if not stop.done():
        stop.set_result(number)


def _tasks(
    application: Application, stop: asyncio.Future[signal.Signals], sockets: Sequence[socket.socket], say: Say
) -> list[asyncio.Task[Any]]:
    """Start the tasks of the process; it stops when one of them ends. Without sockets there is no HTTP server."""
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(asyncio.wait([stop]), name="stop")]
    if sockets:
        tasks.append(asyncio.create_task(_listen(application, sockets, say), name="http"))
    tasks.append(asyncio.create_task(_watch(application.agents), name="agents"))
    return tasks


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


def _addresses(settings: Settings) -> list[Address]:
    return [Address.parse(address) for address in settings.listen]


async def _listen(application: Application, sockets: Sequence[socket.socket], say: Say) -> None:
    settings = application.resources.settings
    addresses = _addresses(settings)
    keys = await application.resources.database.read(any_keys)

    def started(authorities: Sequence[str]) -> None:
        actual = [Address(authority, one.first) for authority, one in zip(authorities, addresses, strict=True)]
        say(banner(settings, actual, application.engine_in_words(), keys=keys))
        log_listening(settings.profile, actual)

    apps = {first: create_app(application.services, settings, first) for first in {one.first for one in addresses}}
    await serve(
        [apps[one.first] for one in addresses],
        sockets,
        started,
        application.resources.stopping,
        ConnectionLimits(
            settings.header_timeout, settings.max_connections_per_client, unread_timeout=settings.unread_timeout
        ),
    )


async def _watch(agents: Worker | AgentGroup) -> None:
    error = await agents.died()
    raise AgentDied(f"A part of the process has died ({error}); it stops.") from error
