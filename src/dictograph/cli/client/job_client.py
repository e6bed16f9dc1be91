"""Access to jobs: a service over HTTP, or the database itself. Both return the API's JSON objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from dictograph.cli.options import effective
from dictograph.cli.text.job_text import Shape

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

#: The name under which --key-file is kept while a command runs, and how many characters of the file are read.
_KEY_FILE, _KEY_LENGTH = "dictograph.key_file", 1024


class JobClient(Protocol):
    """Reads and changes jobs; a job is a JSON object as in the answer of `GET /v1/transcriptions/{id}`.

    All methods raise a DictographError: NotFound, JobStateConflict, or that the service or database cannot be reached.
    """

    async def list(self, statuses: Sequence[str], limit: int, *, dead: bool) -> list[Shape]: ...
    async def show(self, job_id: str) -> Shape: ...
    async def cancel(self, job_id: str) -> Shape: ...
    async def retry(self, job_id: str) -> Shape: ...
    async def delete(self, job_id: str, *, force: bool = False) -> None: ...
    async def workers(self) -> Sequence[Shape]: ...

    def events(self, job_id: str) -> AsyncGenerator[tuple[str, Shape], None]:
        """Yield all of a job's events, by type and data, until the job has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where the jobs are: at `server` if it is given, else in the database of the settings."""

    server: str | None
    data_dir: Path | None

    def client(self) -> AbstractAsyncContextManager[JobClient]:
        if self.server is not None:
            from dictograph.cli.client.http_client import http_client

            return http_client(self.server, _key())
        from dictograph.cli.client.database_client import database_client
        from dictograph.cli.service_database import service_settings

        return database_client(service_settings(data_dir=self.data_dir))


def with_client(place: Place, work: Callable[[JobClient], Awaitable[T]]) -> T:
    """Open a client, work with it, and close it."""

    async def run() -> T:
        async with place.client() as client:
            return await work(client)

    return asyncio.run(run())


def place_options(command: F) -> F:
    """Add `--server`, with a file for its key, and `--data-dir`."""
    server = click.option("--server", metavar="URL", help="The service to ask; else the database of the settings.")
    key = click.option(
        "--key-file",
        type=click.Path(path_type=Path),
        callback=_remember_key,
        expose_value=False,
        help="A file with the key for --server; else the key is DICTOGRAPH_KEY.",
    )
    folder = click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="The data folder.")
    return server(key(folder(command)))


def _remember_key(context: click.Context, _: click.Parameter, file: Path | None) -> None:
    """Keep the name of the key's file until a service is asked."""
    if file is not None:
        context.meta[_KEY_FILE] = file


def _key() -> str:
    """Return the key for a service. It is not an option: every user of the machine can see a process's arguments."""
    context = click.get_current_context(silent=True)
    if context is None or _KEY_FILE not in context.meta:
        return effective().key
    file: Path = context.meta[_KEY_FILE]
    try:
        with file.expanduser().open(encoding="ascii") as opened:
            key = opened.read(_KEY_LENGTH).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file} cannot be read: {error}.") from error
    if not key.isprintable() or not key:
        raise click.UsageError(f"There is no key in {file}.")
    return key
