"""The database of the service that a command works on: which one that is, and whether a service lives on it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dictograph.cli.config_file import named_config
from dictograph.cli.options import explained
from dictograph.errors import DatabaseMissing, DatabaseUnavailable
from dictograph.runtime.process_lock import data_dirs_sharing, live_process_ids
from dictograph.runtime.redaction import redacted
from dictograph.settings.model import Loaded, Settings, load
from dictograph.store.backends.dialects import file_of, is_there
from dictograph.store.migrate import check_known, current, head

#: Where the unit of the service has its settings (docs/how-to/service.md).
UNIT_FILE = Path("/etc/dictograph.env")

_PLACES = ("data_dir", "database_url")


def service_settings(**overrides: object) -> Settings:
    """Return the settings of the service that is meant: `service_loaded` without the origins."""
    return service_loaded(**overrides).settings


def service_loaded(**overrides: object) -> Loaded:
    """Return the settings with what the command line says; where nothing names a data folder or a database, those of
    the system's service, which is then said. Values that are None were not said."""
    loaded = explained(**overrides)
    named = any(not loaded.origins[place].startswith("default") for place in _PLACES)
    if named or named_config() is not None or not os.access(UNIT_FILE, os.R_OK):
        return loaded
    click.echo(f"dictograph: the settings are those of {UNIT_FILE}", err=True)
    return load(overrides, named_file=UNIT_FILE)


def say_database(settings: Settings) -> None:
    """Say on stderr which database it is, and warn where no process lives on it: it may be the wrong one."""
    file = file_of(settings.database)
    place = redacted(settings.database) if file is None else str(file)
    warning = "" if _is_lived_on(settings, file) else "; no process of this machine runs on it: is it the service's?"
    click.echo(f"dictograph: database {place}{warning}", err=True)


def check_there(settings: Settings, otherwise: str = "make one with `dictograph db upgrade`") -> None:
    """See whether the database is there, and say which it is. It is not made by looking.

    Args:
        settings: the settings.
        otherwise: what else can be done where there is none.

    Raises:
        DatabaseMissing: it is not there.
    """
    if not is_there(settings.database):
        raise DatabaseMissing(
            f"There is no database {file_of(settings.database)}, and none was made. Name the folder of the service's "
            f"with --data-dir or the file of its settings with `dictograph --config FILE …`, or {otherwise}."
        )
    say_database(settings)


def check_database(settings: Settings, otherwise: str = "ask a service with --server") -> None:
    """See whether the database is there and of this version: `check_there`, and it is not migrated either.

    Raises:
        DatabaseMissing: it is not there.
        DatabaseUnavailable: it is not of this version, or cannot be asked.
    """
    check_there(settings, otherwise)
    revision = current(settings.database)
    check_known(revision)
    if revision != head():
        raise DatabaseUnavailable(
            f"{redacted(settings.database)} is at {revision or 'no revision'}, not at {head()} as it should be: "
            "run `dictograph db upgrade`."
        )


def _is_lived_on(settings: Settings, file: Path | None) -> bool:
    try:
        return bool(live_process_ids(settings.processes)) or (
            file is not None and bool(data_dirs_sharing(settings.processes, file))
        )
    except OSError:
        return True  # what another user's processes hold cannot be seen
