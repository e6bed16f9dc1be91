"""`dictograph serve`, `api`, `worker`: processes that run until they are told to stop."""

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
from dictograph.settings.model import Loaded

log = logging.getLogger(__name__)

_listening = (
    click.option("--listen", metavar="HOST:PORT", multiple=True, help="Address to serve on; may be repeated."),
    click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on, 0: any that is free."),
    click.option("--insecure", is_flag=True, default=None, help="Serve other addresses than loopback without keys."),
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
    """Run the service: HTTP and worker in one.

    Prepares the database, says where it listens and with which engine it works, and runs until Ctrl-C or SIGTERM.
    Jobs that are under way then go back to the queue, and go on where they were at the next start. SIGHUP does the
    same, and its exit code 129 has a supervisor start the service again; under `nohup` it is ignored.

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
    """Run the HTTP half alone.

    It takes jobs in and answers for them; a `dictograph worker` on the same database runs them.
    """
    _run(listen_to(listen, port, overrides), api=True, worker=False)


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 256), help="Jobs that are run at once.")
@_working
@_common
def worker(**overrides: Any) -> None:
    """Run the working half alone.

    It runs the jobs that a `dictograph api` on the same database takes in. There may be many.
    """
    _run(explained(**overrides), api=False, worker=True)


def listen_to(listen: tuple[str, ...], port: int | None, overrides: dict[str, Any]) -> Loaded:
    """The settings with the addresses of the command line; `port` alone is a port for all addresses there are."""
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
    if loaded.later:
        log.warning("accepted, and not in force before its part is there: %s", "; ".join(loaded.later))
    ended_by = asyncio.run(run_server.run(settings, api=api, worker=worker, say=click.echo))
    if ended_by is signal.SIGHUP:  # whoever supervises the process shall start it again, with the settings as they are
        raise click.exceptions.Exit(128 + ended_by)
