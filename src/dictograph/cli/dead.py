"""`dictograph dead`: jobs that have failed too often."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dictograph.cli.client.job_client import JobClient, Place, place_options, with_client
from dictograph.cli.jobs import do_to_each
from dictograph.cli.options import option
from dictograph.cli.text.job_text import dead_list, job_page

_MOST = 10_000


@click.group()
def dead() -> None:
    """List, show, replay jobs that have failed too often.

    The jobs are those of the service at --server, else those of the database in the data folder.

    \b
    dictograph dead list
    dictograph dead replay --all
    """


@dead.command("list")
@click.option("--limit", type=click.IntRange(1, _MOST), default=20, show_default=True, help="The most jobs to list.")
@option("as_json")
@place_options
def list_(limit: int, as_json: bool, server: str | None, data_dir: Path | None) -> None:
    """List dead jobs, newest first, with their errors."""
    found = with_client(Place(server, data_dir), lambda client: client.list((), limit, dead=True))
    click.echo(json.dumps(found, indent=2) if as_json else dead_list(found))


@dead.command()
@click.argument("id")
@option("as_json")
@place_options
def show(id: str, as_json: bool, server: str | None, data_dir: Path | None) -> None:
    """Show everything about a dead job."""
    job = with_client(Place(server, data_dir), lambda client: client.show(id))
    click.echo(json.dumps(job, indent=2) if as_json else job_page(job))
    if not job["dead"]:
        click.echo(f"dictograph: {id} is not dead but {job['status']}", err=True)
        raise click.exceptions.Exit(1)


@dead.command()
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--all", "everyone", is_flag=True, help="Run all dead jobs again.")
@place_options
def replay(ids: tuple[str, ...], everyone: bool, server: str | None, data_dir: Path | None) -> None:
    """Run dead jobs again, after their last finished window, with their full number of attempts."""
    if bool(ids) == everyone:
        raise click.UsageError("Name the jobs, or give --all.")
    place = Place(server, data_dir)
    if everyone:
        ids = with_client(place, _all_ids)
    do_to_each(place, ids, "pending", lambda client, job_id: client.retry(job_id))


async def _all_ids(client: JobClient) -> tuple[str, ...]:
    return tuple(job["id"] for job in await client.list((), _MOST, dead=True))
