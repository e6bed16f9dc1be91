"""`dictograph backup` and `dictograph restore`: the database and the audio of a service, saved and restored."""

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

    They are saved in FOLDER. The service may run meanwhile. If FOLDER has a backup already, only new files are
    copied. A PostgreSQL database is saved by `pg_dump`. Settings and models are not saved.
    """
    settings = service_settings(data_dir=data_dir)
    check_there(settings, "find out where the service keeps it")
    summary = save_all(settings, folder)
    click.echo(f"Saved in {folder}: the database, {_in_words(summary)}.")


@click.command()
@click.argument("folder", type=_FOLDER)
@option("data_dir")
def restore(folder: Path, data_dir: Path | None) -> None:
    """Restore a backup.

    The backup in FOLDER is copied to the places that the settings name. There must be no database yet. Jobs that
    were running when the backup was made continue after their last finished window, once the service has been
    started and their leases have expired.
    """
    settings = service_settings(data_dir=data_dir)
    summary = restore_all(settings, folder)
    click.echo(f"Restored to {redacted(settings.database)} and {settings.storage_place}: {_in_words(summary)}.")


def _in_words(summary: Summary) -> str:
    text = f"{summary.objects} audio files ({size(summary.bytes)}, {summary.copied} of them copied now)"
    if summary.missing:
        text += f"; {summary.missing} were missing or damaged"
    return text
