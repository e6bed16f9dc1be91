"""A process that serves until it is told to stop: the API, a worker, or both."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence

from dictograph.bootstrap import Application, open_application
from dictograph.errors import DictographError
from dictograph.settings import Settings

log = logging.getLogger(__name__)


class AgentDied(DictographError):
    """A part of the service has died; a supervisor should start it anew."""

    code = "agent_died"


async def run(settings: Settings, *, api: bool, worker: bool, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then stop in good order.

    Args:
        settings: the effective settings.
        api: listen for HTTP.
        worker: claim and run jobs.
        say: called with the lines that a person should see.

    Raises:
        AgentDied: a part of it has died, and so it stopped.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_application(settings, api=api, worker=worker) as application:
        if not api:
            say(_worker_banner(application))
        await _until(stop, application, say)


async def _until(stop: asyncio.Event, application: Application, say: Callable[[str], None]) -> None:
    tasks = {asyncio.create_task(stop.wait(), name="stop")}
    if application.api is not None:
        started = lambda addresses: say(_banner(application, addresses))  # noqa: E731 - a callback
        tasks.add(asyncio.create_task(application.serve_http(started, stop), name="http"))
    if application.worker is not None:
        tasks.add(asyncio.create_task(_watch(application), name="worker"))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        stop.set()
        say("Dictograph is stopping: jobs under way go back to the queue and lose nothing.")
        for task in tasks:
            if task.get_name() == "worker":
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(application: Application) -> None:
    assert application.worker is not None
    error = await application.worker.died()
    raise AgentDied(f"A part of the worker has died ({error}); the process stops.") from error


def _banner(application: Application, addresses: Sequence[str]) -> str:
    first = addresses[0]
    lines = [f"Dictograph listens on {', '.join(addresses)}", f"  engine  {application.engine_in_words()}"]
    lines.append(f"  data    {application.core.settings.data_dir}")
    lines.append(f"  try     curl -F file=@talk.mp3 '{first}/v1/transcriptions?wait=60'")
    lines.append(f"  docs    {first}/docs")
    return "\n".join(lines)


def _worker_banner(application: Application) -> str:
    return f"Dictograph worker on {application.core.settings.data_dir}, engine {application.engine_in_words()}"
