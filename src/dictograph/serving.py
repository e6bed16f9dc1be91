"""A process that serves until it is told to stop: the API, a worker, or both."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from typing import Any

from dictograph.api.app import create_app
from dictograph.api.connection import ConnectionLimits
from dictograph.api.server import serve
from dictograph.bootstrap import Application, open_application
from dictograph.contract import Address
from dictograph.errors import DictographError
from dictograph.settings import Settings
from dictograph.worker.agent import Crew
from dictograph.worker.worker import Worker

log = logging.getLogger(__name__)

Say = Callable[[str], None]


class AgentDied(DictographError):
    """A part of the process has died; whoever supervises it should start it anew."""

    code = "agent_died"


async def run(settings: Settings, *, api: bool, worker: bool, say: Say) -> None:
    """Serve until SIGTERM or SIGINT, then stop in good order.

    Args:
        settings: the effective settings.
        api: listen for HTTP.
        worker: claim and run jobs.
        say: called with what a person should see.

    Raises:
        AgentDied: a part has died, and so all was stopped.
        SettingsError, DatabaseUnavailable, …: it cannot start.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_application(settings, worker=worker) as application:
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait(), name="stop")]
        if api:
            tasks.append(asyncio.create_task(_listen(application, say), name="http"))
        else:
            say(f"Dictograph worker on {settings.data_dir}, engine {application.engine_in_words()}")
        tasks.append(asyncio.create_task(_watch(application.agents), name="agents"))
        await _until_first(tasks, application, say)


async def _until_first(tasks: Sequence[asyncio.Task[Any]], application: Application, say: Say) -> None:
    """Wait until one of these ends, then let the server end in good order."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        say("Dictograph is stopping: jobs under way go back to the queue and lose nothing.")
        application.core.stopping.set()
        for task in tasks:
            if task.get_name() != "http":
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(application: Application, say: Say) -> None:
    settings = application.core.settings
    addresses = [Address.parse(address) for address in settings.listen]
    faces = {first: create_app(application.services, settings, first) for first in {one.first for one in addresses}}
    await serve(
        [faces[one.first] for one in addresses],
        [one.authority for one in addresses],
        lambda addresses: say(_banner(application, addresses)),
        application.core.stopping,
        ConnectionLimits(
            settings.header_timeout, settings.max_connections_per_client, unread_timeout=settings.unread_timeout
        ),
    )


async def _watch(agents: Worker | Crew) -> None:
    error = await agents.died()
    raise AgentDied(f"A part of the process has died ({error}); it stops.") from error


def _banner(application: Application, addresses: Sequence[str]) -> str:
    urls = [f"http://{address}" for address in addresses]
    return "\n".join(
        [
            f"Dictograph listens on {' and '.join(urls)}",
            f"  engine  {application.engine_in_words()}",
            f"  data    {application.core.settings.data_dir}",
            f"  try     curl -F file=@talk.mp3 '{urls[0]}/v1/transcriptions?wait=60'",
            f"  api     {urls[0]}/openapi.json",
        ]
    )
