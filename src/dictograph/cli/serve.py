"""`dictograph serve`, `api`, `worker`: processes that run until a signal stops them."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any

import click

from dictograph import run_server
from dictograph.cli.options import explained, option
from dictograph.runtime import logs
from dictograph.settings.loading import Loaded

log = logging.getLogger(__name__)

_listening = (
    click.option("--listen", metavar="HOST:PORT", multiple=True, help="Address to serve on; may be repeated."),
    click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on; 0: any free port."),
    click.option("--insecure", is_flag=True, default=None, help="Serve addresses other than loopback without keys."),
)
_working = option("engine", "model", "device")
_common = option("profile", "data_dir", "log_level")


def _with_listening(command: Callable[..., Any]) -> Callable[..., Any]:
    for add in reversed(_listening):
        command = add(command)
    return command


@click.command()
@_with_listening
@_working
@_common
def serve(listen: tuple[str, ...], port: int | None, **overrides: Any) -> None:
    """Run the service: HTTP API and worker in one process.

    It prepares the database, says at which address it listens and which engine it uses, and runs until Ctrl-C or
    SIGTERM. Running jobs then go back to the queue, and continue after their last finished window at the next start.
    SIGHUP does the same with exit code 129, so that a supervisor starts the service again; under `nohup` SIGHUP is
    ignored.

    \b
    dictograph serve --port 8080
    dictograph serve --engine whisper --model large-v3-turbo --device cuda
    dictograph serve --profile gateway
    """
    _run(listen_to(listen, port, overrides), api=True, worker=True)


@click.command()
@_with_listening
@_common
def api(listen: tuple[str, ...], port: int | None, **overrides: Any) -> None:
    """Run only the HTTP API, without a worker.

    It accepts jobs and answers requests about them; a `dictograph worker` on the same database runs them.
    """
    _run(listen_to(listen, port, overrides), api=True, worker=False)


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 256), help="The number of jobs that run at once.")
@_working
@_common
def worker(**overrides: Any) -> None:
    """Run only a worker, without the HTTP API.

    It runs the jobs that a `dictograph api` on the same database accepts. Several workers may run at once.
    """
    _run(explained(**overrides), api=False, worker=True)


def listen_to(listen: tuple[str, ...], port: int | None, overrides: dict[str, Any]) -> Loaded:
    """Return the settings with the addresses of the command line; `port` replaces the port of all addresses."""
    loaded = explained(listen=list(listen) or None, **overrides)
    if port is None:
        return loaded
    hosts = dict.fromkeys(address.rpartition(":")[0] for address in loaded.settings.listen)
    return explained(listen=[f"{host}:{port}" for host in hosts], **overrides)


def _run(loaded: Loaded, *, api: bool, worker: bool) -> None:
    settings = loaded.settings
    logs.configure(settings.log_level, settings.log_format)
    for warning in loaded.warnings:
        log.warning(warning)
    ended_by = asyncio.run(run_server.run(settings, api=api, worker=worker, say=click.echo))
    if ended_by is signal.SIGHUP:  # the supervisor shall start the process again, with the settings of that moment
        raise click.exceptions.Exit(128 + ended_by)
