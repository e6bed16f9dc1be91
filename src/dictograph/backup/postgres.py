"""A PostgreSQL database in a backup, written and read by PostgreSQL's own tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dictograph.errors import BackupFailed
from dictograph.runtime.fsync import sync_file, sync_folder
from dictograph.runtime.private_files import make_private_file
from dictograph.store import migrate

NAME = "database.pgdump"


def save(url: str, folder: Path) -> None:
    """Let `pg_dump` write the database as it is at one moment. Other processes may write meanwhile."""
    target, part = folder / NAME, folder / f"{NAME}.part"
    part.unlink(missing_ok=True)
    make_private_file(part)
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={part}")
    sync_file(part)
    os.replace(part, target)
    sync_folder(folder)


def load(folder: Path, url: str) -> None:
    """Let `pg_restore` fill the database, all or nothing."""
    flags = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
    _run("pg_restore", url, *flags, str(folder / NAME))


def is_free(url: str) -> bool:
    """Return whether the database holds nothing of Dictograph yet."""
    return migrate.current(url) is None


def _run(tool: str, url: str, *arguments: str) -> None:
    program = shutil.which(tool)
    if program is None:
        raise BackupFailed(f"{tool} is not installed; it comes with PostgreSQL's client programs.")
    address, secret = _without_password(url)
    command = [program, "--no-password", f"--dbname={address}", *arguments]
    done = subprocess.run(command, env=os.environ | secret, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise BackupFailed(f"{said[0].removesuffix('.')}.")


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """Return the address without the password, and the password as environment variables.

    The address goes on the command line, which every user of the machine can read.
    """
    given = conninfo_to_dict(f"postgresql://{url.partition('://')[2]}")
    password = given.pop("password", None)
    return make_conninfo("", **given), {} if password is None else {"PGPASSWORD": str(password)}
