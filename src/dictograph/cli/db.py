"""`dictograph db`: the schema of the database."""

from __future__ import annotations

import click

from dictograph.cli.options import option
from dictograph.cli.service_database import check_there, service_settings
from dictograph.database_setup import prepare_database
from dictograph.runtime.redaction import redacted
from dictograph.store import migrate


@click.group()
def db() -> None:
    """Bring the database up to date.

    `serve`, `api` and `worker` do so when they start. With these commands you do it without starting them.
    """


@db.command()
@click.option("--init", is_flag=True, help="Create an empty database even if the storage belongs to another database.")
@option("profile", "data_dir")
def upgrade(init: bool, profile: str | None, data_dir: str | None) -> None:
    """Create the database, or bring it to this version's schema. Repeating it, or running it twice at once, is safe."""
    settings = service_settings(profile=profile, data_dir=data_dir)
    revision = prepare_database(settings, init=init)
    click.echo(f"{redacted(settings.database)} is at {revision}, the newest.")


@db.command()
@option("profile", "data_dir")
def current(profile: str | None, data_dir: str | None) -> None:
    """Show the database's revision. Exit code 1: it is older or newer than this version needs."""
    settings = service_settings(profile=profile, data_dir=data_dir)
    check_there(settings)
    revision, newest = migrate.current(settings.database), migrate.head()
    migrate.check_known(revision)
    if revision == newest:
        click.echo(f"{revision}, the newest")
        return
    click.echo(f"{revision or 'empty'}; the newest is {newest}: run `dictograph db upgrade`")
    raise click.exceptions.Exit(1)
