"""`dictograph jobs`: the jobs of a service."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from dictograph.cli.client.job_client import JobClient, Place, place_options, with_client
from dictograph.cli.options import option
from dictograph.cli.text.job_text import Shape, job_list, job_page
from dictograph.cli.watching import watch_job
from dictograph.errors import DictographError
from dictograph.job import JobStatus

_ids = click.argument("ids", metavar="ID...", nargs=-1, required=True)
_id = click.argument("id")


@click.group()
def jobs() -> None:
    """List, show, watch, cancel, retry, delete jobs.

    The jobs are those of the service at --server, else those of the database in the data folder (no service needs to
    run).

    \b
    dictograph jobs list --status processing --server http://127.0.0.1:8000
    dictograph jobs watch 0b5a3a3e-6c0c-4f5e-9d35-0d6f0f6f2f57
    """


@jobs.command("list")
@click.option(
    *("--status", "statuses"),
    type=click.Choice([s.value for s in JobStatus]),
    multiple=True,
    help="Only jobs with this status; may be repeated.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="The most jobs to list.")
@option("as_json")
@place_options
def list_(statuses: tuple[str, ...], limit: int, as_json: bool, server: str | None, data_dir: Path | None) -> None:
    """List jobs, newest first."""
    found = with_client(Place(server, data_dir), lambda client: client.list(statuses, limit, dead=False))
    click.echo(json.dumps(found, indent=2) if as_json else job_list(found))


@jobs.command()
@_id
@option("as_json")
@place_options
def show(id: str, as_json: bool, server: str | None, data_dir: Path | None) -> None:
    """Show everything about a job."""
    job = with_client(Place(server, data_dir), lambda client: client.show(id))
    click.echo(json.dumps(job, indent=2) if as_json else job_page(job))


@jobs.command()
@_id
@option("as_json")
@place_options
def watch(id: str, as_json: bool, server: str | None, data_dir: Path | None) -> None:
    """Show a job's text as it comes, until the job has ended.

    The text goes to stdout, one line for each segment; progress goes to stderr. With --json each event is one line.
    Exit code 0: the job is completed, 1: it is not.
    """
    if not with_client(Place(server, data_dir), lambda client: watch_job(client, id, as_json=as_json)):
        raise click.exceptions.Exit(1)


@jobs.command()
@_ids
@place_options
def cancel(ids: tuple[str, ...], server: str | None, data_dir: Path | None) -> None:
    """Stop jobs. Their text so far is kept, and `retry` continues after it."""
    do_to_each(Place(server, data_dir), ids, "cancelled", lambda client, job_id: client.cancel(job_id))


@jobs.command()
@_ids
@place_options
def retry(ids: tuple[str, ...], server: str | None, data_dir: Path | None) -> None:
    """Run failed or cancelled jobs again, after their last finished window."""
    do_to_each(Place(server, data_dir), ids, "pending", lambda client, job_id: client.retry(job_id))


@jobs.command()
@_ids
@place_options
@click.option("--force", is_flag=True, help="Also jobs that owe their sender a result: nobody gets one.")
def delete(ids: tuple[str, ...], force: bool, server: str | None, data_dir: Path | None) -> None:
    """Remove jobs with their audio, text and events, for good."""
    do_to_each(Place(server, data_dir), ids, "deleted", lambda client, job_id: client.delete(job_id, force=force))


def do_to_each(
    place: Place, ids: tuple[str, ...], done: str, act: Callable[[JobClient, str], Awaitable[Shape | None]]
) -> None:
    """Do something to each job and say so. If it fails for one job, the others are done all the same."""

    async def work(client: JobClient) -> bool:
        return all([await _done(client, id, done, act) for id in ids])

    if not with_client(place, work):
        raise click.exceptions.Exit(1)


async def _done(client: JobClient, id: str, done: str, act: Callable[[JobClient, str], Awaitable[Any]]) -> bool:
    try:
        await act(client, id)
    except DictographError as error:
        click.echo(f"dictograph: {id}: {error.message}", err=True)
        return False
    click.echo(f"{id} {done}")
    return True
