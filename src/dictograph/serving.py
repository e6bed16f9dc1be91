"""A process that serves until it is told to stop: the API, a worker, or both."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from typing import Any

from dictograph.api.app import create_app
from dictograph.api.clients import is_loopback
from dictograph.api.connection import ConnectionLimits
from dictograph.api.exposure import check_exposure
from dictograph.api.server import serve
from dictograph.bootstrap import Application, open_application
from dictograph.contract import Address, Contract
from dictograph.errors import DictographError
from dictograph.profiles.starting import in_words, log_listening, log_working
from dictograph.service.paths import roots_hint
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
        if worker:
            log_working(settings.profile)
        if api:
            tasks.append(asyncio.create_task(_listen(application, say), name="http"))
        else:
            say(
                "\n".join(
                    [
                        f"Dictograph worker on {settings.data_dir}, engine {application.engine_in_words()}",
                        *_parts(settings),
                    ]
                )
            )
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
    await check_exposure(addresses, application.services.authentication, settings)

    def started(authorities: Sequence[str]) -> None:
        true = [Address(authority, one.first) for authority, one in zip(authorities, addresses, strict=True)]
        say(_banner(application, true))
        log_listening(settings.profile, true)

    faces = {first: create_app(application.services, settings, first) for first in {one.first for one in addresses}}
    await serve(
        [faces[one.first] for one in addresses],
        [one.authority for one in addresses],
        started,
        application.core.stopping,
        ConnectionLimits(
            settings.header_timeout, settings.max_connections_per_client, unread_timeout=settings.unread_timeout
        ),
    )


async def _watch(agents: Worker | Crew) -> None:
    error = await agents.died()
    raise AgentDied(f"A part of the process has died ({error}); it stops.") from error


def _banner(application: Application, addresses: Sequence[Address]) -> str:
    settings = application.core.settings
    here = f"http://{addresses[0].authority}".replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    return "\n".join(
        [
            f"Dictograph listens on {' and '.join(map(_url, addresses))}",
            f"  engine  {application.engine_in_words()}",
            f"  data    {settings.data_dir}",
            *_parts(settings),
            *_open(settings, addresses),
            *_paths(settings, addresses),
            f"  try     curl -F file=@talk.mp3 '{here}/v1/transcriptions?wait=60'",
            *_described(addresses[0], here),
        ]
    )


def _url(address: Address) -> str:
    url = f"http://{address.authority}"
    return url if address.first is Contract.NATIVE else f"{url} ({address.first})"


def _parts(settings: Settings) -> list[str]:
    """What profiles run on, where there are any."""
    return [f"  profile {in_words(settings.profile)}"] if settings.profile else []


def _described(address: Address, here: str) -> list[str]:
    """Where the API is described. The path contract has no such page."""
    return [] if address.first is Contract.PATH else [f"  api     {here}/openapi.json"]


def _paths(settings: Settings, addresses: Sequence[Address]) -> list[str]:
    """What to set so that paths are taken, where somebody came for that."""
    if all(one.first is not Contract.PATH for one in addresses):
        return []
    return [f"  {word:<7} {line}" for word, line in zip(("paths", ""), roots_hint(settings), strict=False)]


def _open(settings: Settings, addresses: Sequence[Address]) -> list[str]:
    """Whose routes others may use without a key, where others can come at all."""
    if not settings.anonymous or all(is_loopback(one.authority.rpartition(":")[0]) for one in addresses):
        return []
    return [
        f"  open    to all who can reach this machine, without a key: the routes of {', '.join(settings.anonymous)}"
    ]
