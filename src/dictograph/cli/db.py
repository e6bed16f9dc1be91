"""`dictograph db`: the schema of the database."""

from __future__ import annotations

import click

from dictograph.cli.options import effective, option
from dictograph.masking import masked
from dictograph.store import migrate


@click.group()
def db() -> None:
    """Bring the database up to date.

    `serve`, `api` and `worker` do so when they start; these commands are for doing it apart.
    """


@db.command()
@option("profile", "data_dir")
def upgrade(profile: str | None, data_dir: str | None) -> None:
    """Create the database, or bring it to this version's schema. May be repeated, and run twice at once."""
    settings = effective(profile=profile, data_dir=data_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    revision = migrate.upgrade(settings.database)
    click.echo(f"{masked(settings.database)} is at {revision}, the newest.")


@db.command()
@option("profile", "data_dir")
def current(profile: str | None, data_dir: str | None) -> None:
    """Show the database's revision, and whether it is this version's. Exit code 1: it is older, or newer."""
    settings = effective(profile=profile, data_dir=data_dir)
    revision, newest = migrate.current(settings.database), migrate.head()
    migrate.check_known(revision)
    if revision == newest:
        click.echo(f"{revision}, the newest")
        return
    click.echo(f"{revision or 'empty'}; the newest is {newest}: run `dictograph db upgrade`")
    raise click.exceptions.Exit(1)
