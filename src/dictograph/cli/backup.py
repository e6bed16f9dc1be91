"""`dictograph backup` and `dictograph restore`: a service with all it has, saved and brought back."""

from __future__ import annotations

from pathlib import Path

import click

from dictograph.backup.backup import Summary
from dictograph.backup.backup import restore as restore_all
from dictograph.backup.backup import save as save_all
from dictograph.cli.options import option
from dictograph.cli.service_database import check_there, service_settings
from dictograph.cli.text.text_table import size
from dictograph.runtime.redaction import redacted

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("folder", type=_FOLDER)
@option("data_dir")
def backup(folder: Path, data_dir: Path | None) -> None:
    """Save the database and the audio.

    They go into FOLDER, while the service runs or not. Into the same FOLDER again, only what is new is copied.
    A PostgreSQL database is saved by `pg_dump`. Settings and models are not saved.
    """
    settings = service_settings(data_dir=data_dir)
    check_there(settings, "look where the service keeps it")
    summary = save_all(settings, folder)
    click.echo(f"Saved in {folder}: the database, {_told(summary)}.")


@click.command()
@click.argument("folder", type=_FOLDER)
@option("data_dir")
def restore(folder: Path, data_dir: Path | None) -> None:
    """Bring a backup back.

    What `dictograph backup` saved in FOLDER goes to where the settings say; there must be no database yet. Jobs
    that were running when it was saved go on when the service has been started and their leases have run out,
    from their last finished window.
    """
    settings = service_settings(data_dir=data_dir)
    summary = restore_all(settings, folder)
    click.echo(f"Restored to {redacted(settings.database)} and {settings.storage}: {_told(summary)}.")


def _told(summary: Summary) -> str:
    told = f"{summary.objects} audio files ({size(summary.bytes)}, {summary.copied} of them copied now)"
    if summary.missing:
        told += f"; {summary.missing} were gone or damaged"
    return told
