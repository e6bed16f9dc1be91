"""The database that a command works on: which one it is, and whether a service runs on it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dictograph.cli.config_file import named_config
from dictograph.cli.options import explained
from dictograph.errors import DatabaseMissing, DatabaseUnavailable
from dictograph.runtime.process_lock import data_dirs_sharing, live_process_ids
from dictograph.runtime.redaction import redacted
from dictograph.settings.loading import Loaded, load
from dictograph.settings.model import Settings
from dictograph.store.backends.dialects import file_of, is_there
from dictograph.store.migrate import check_known, current, head

#: The settings file of the service's unit (docs/how-to/service.md).
UNIT_FILE = Path("/etc/dictograph.env")

_PLACES = ("data_dir", "database_url")


def service_settings(**overrides: object) -> Settings:
    """Return the settings of the service: `service_loaded` without the origins."""
    return service_loaded(**overrides).settings


def service_loaded(**overrides: object) -> Loaded:
    """Return the settings, with the values of the command line; None means not given.

    If nothing names a data folder or a database, these are the settings of the system's service, and a message says so.
    """
    loaded = explained(**overrides)
    named = any(not loaded.origins[place].startswith("default") for place in _PLACES)
    if named or named_config() is not None or not os.access(UNIT_FILE, os.R_OK):
        return loaded
    click.echo(f"dictograph: the settings are those of {UNIT_FILE}", err=True)
    return load(overrides, named_file=UNIT_FILE)


def say_database(settings: Settings) -> None:
    """Say on stderr which database it is, and warn if no process runs on it: it may be the wrong one."""
    file = file_of(settings.database)
    place = redacted(settings.database) if file is None else str(file)
    warning = "" if _is_lived_on(settings, file) else "; no process of this machine runs on it: is it the service's?"
    click.echo(f"dictograph: database {place}{warning}", err=True)


def check_there(settings: Settings, otherwise: str = "create one with `dictograph db upgrade`") -> None:
    """Check that the database is there, and say which one it is. The check does not create it.

    Args:
        settings: the settings.
        otherwise: what else the user can do if there is none.

    Raises:
        DatabaseMissing: it is not there.
    """
    if not is_there(settings.database):
        raise DatabaseMissing(
            f"There is no database {file_of(settings.database)}, and none was made. Name the service's data folder "
            f"with --data-dir, or its settings file with `dictograph --config FILE …`, or {otherwise}."
        )
    say_database(settings)


def check_database(settings: Settings, otherwise: str = "ask a service with --server") -> None:
    """Check that the database is there, as `check_there` does, and has this version's schema. It is not migrated.

    Raises:
        DatabaseMissing: it is not there.
        DatabaseUnavailable: it has another version's schema, or cannot be read.
    """
    check_there(settings, otherwise)
    revision = current(settings.database)
    check_known(revision)
    if revision != head():
        raise DatabaseUnavailable(
            f"{redacted(settings.database)} is at {revision or 'no revision'}, but this version needs {head()}: "
            "run `dictograph db upgrade`."
        )


def _is_lived_on(settings: Settings, file: Path | None) -> bool:
    try:
        return bool(live_process_ids(settings.processes)) or (
            file is not None and bool(data_dirs_sharing(settings.processes, file))
        )
    except OSError:
        return True  # the locks of another user's processes cannot be seen
