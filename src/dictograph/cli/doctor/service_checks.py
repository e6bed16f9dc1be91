"""Checks of `dictograph doctor` for the service: the processes that share its database, the clocks, and others."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psutil
from sqlalchemy import Connection, func, select

from dictograph.api.exposure import reached_by_others
from dictograph.cli.doctor.findings import Result, Verdict
from dictograph.contract import Address
from dictograph.errors import DatabaseUnavailable, SettingsError
from dictograph.prompts.library import Library
from dictograph.runtime.process_lock import data_dirs_sharing, live_process_ids
from dictograph.settings.model import Settings
from dictograph.store import migrate, workers
from dictograph.store.backends.dialects import file_of
from dictograph.store.clock import read_clock
from dictograph.store.database import Database
from dictograph.store.jobs.read import unsupported_count
from dictograph.store.keys import list_keys
from dictograph.store.tables import job

T = TypeVar("T")

#: The earliest time of a correct clock: Dictograph did not exist before.
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)

#: The difference (s) between the clocks of two machines that has no effect.
_APART_S = 2.0

#: A row whose time is this far in the future (s) was not written by this clock.
_AHEAD_S = 60.0

#: File systems whose locks and shared memory do not meet SQLite's needs (https://www.sqlite.org/wal.html).
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afpfs", "ceph", "glusterfs", "fuse.sshfs", "fuse.rclone"}

_MAKE_KEY = "Make one: `dictograph keys create`. Or listen on 127.0.0.1 only."
_NEWER_WORKER = (
    "Start a worker of the newest version here. `dictograph jobs list --status pending` lists those that wait, "
    "and `dictograph jobs show ID` says for what."
)
_ONE_FOLDER = (
    "Give them all one DICTOGRAPH_DATA_DIR: in it they find each other's audio, and see at once when one has died."
)
_SHARE = "Let several machines share PostgreSQL: DICTOGRAPH_DATABASE_URL=postgresql://…"


def sharing(settings: Settings) -> Result:
    """Check which processes use the database, and whether they can share it."""
    here = len(live_process_ids(settings.processes))
    told = (
        f"{here} processes of this machine run on this data folder" if here else "no process runs on this data folder"
    )
    if here == 1:
        told = "one process runs on this data folder"
    file = file_of(settings.database)
    if file is None:
        return Verdict.OK, told, ""
    if (kind := _file_system(file)) in _NETWORK:
        return Verdict.FAIL, f"the SQLite file lies on a network file system ({kind}), where its locks fail", _SHARE
    if others := _other_hosts(settings):
        return Verdict.FAIL, f"workers of other machines use this SQLite file: {', '.join(others)}", _SHARE
    if elsewhere := data_dirs_sharing(settings.processes, file):
        detail = f"this SQLite file is used from other data folders too: {', '.join(map(_counted, elsewhere))}"
        return Verdict.WARN, detail, _ONE_FOLDER
    if here > 1:
        return (
            Verdict.WARN,
            f"{told} and share one SQLite file: their writes take turns",
            ("That works on one machine. For many workers use PostgreSQL: DICTOGRAPH_DATABASE_URL."),
        )
    return Verdict.OK, told, ""


def _counted(processes: Path) -> str:
    """Return the data folder of a folder of lock files, and the number of processes that hold a lock there."""
    count = len(live_process_ids(processes))
    return f"{processes.parent} ({count} process{'es' if count != 1 else ''})"


def clock(settings: Settings) -> Result:
    """Check that this machine's clock is plausible, and agrees with the database's clock if that can be read."""
    now = time.time()
    if now < _BEGINNING.timestamp():
        return Verdict.FAIL, f"this machine's clock says {_said(now)}", "Set the clock; let NTP keep it."
    try:
        clocks = _clocks(settings) if is_there(settings) else None
    except DatabaseUnavailable:
        clocks = None  # another check reports the database's error
    if clocks is None:
        return Verdict.OK, f"it is {_said(now)}", ""
    theirs, newest = clocks
    apart = theirs - time.time()
    if abs(apart) > _APART_S:
        detail = f"the database's clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} this machine's"
        return Verdict.WARN, detail, "Leases go by the database's and are safe, but times differ: let NTP keep both."
    if newest is not None and newest - theirs > _AHEAD_S:
        detail = f"it is {_said(theirs)}, but a job is from {_said(newest)}"
        return Verdict.WARN, detail, "The clock was wrong, or is wrong now: set it, and let NTP keep it."
    return Verdict.OK, f"it is {_said(theirs)}, for the database too", ""


def access(settings: Settings) -> Result:
    """Check who may use the service, and whether the service would start with these settings."""
    try:
        keys = ask(settings, list_keys) if is_there(settings) else []
    except DatabaseUnavailable:
        return Verdict.WARN, "not known while the database cannot be asked", ""
    good = sum(key.live for key in keys)
    open_to_all = f"; open without one: {', '.join(settings.anonymous)}" if settings.anonymous else ""
    if keys or settings.gateway_api_key:
        told = f"{good} of {len(keys)} keys are good" if keys else "the gateway's key is needed"
        return Verdict.OK, f"{told}{open_to_all}", ""
    others = reached_by_others([Address.parse(address) for address in settings.listen])
    if not others:
        return Verdict.OK, f"no keys: whoever is on this machine{open_to_all}", ""
    if settings.anonymous:
        return Verdict.OK, f"no keys: whoever is on this machine, and on {', '.join(others)}{open_to_all}", ""
    if settings.insecure:
        return Verdict.WARN, f"whoever reaches {', '.join(others)} may do everything", _MAKE_KEY
    return Verdict.FAIL, f"there are no keys, so {', '.join(others)} is not listened on", _MAKE_KEY


def waiting(settings: Settings) -> Result:
    """Check for jobs that wait because no worker supports their options."""
    try:
        count = ask(settings, _unsupported) if is_there(settings) else 0
    except DatabaseUnavailable:
        return Verdict.WARN, "not known while the database cannot be asked", ""
    if not count:
        return Verdict.OK, "no job waits for what no worker supports", ""
    told = "a job waits for a worker that supports what it asks"
    if count > 1:
        told = f"{count} jobs wait for a worker that supports what they ask"
    return Verdict.WARN, told, _NEWER_WORKER


def _unsupported(conn: Connection) -> int:
    return unsupported_count(conn, None, workers.supported_needs(workers.list_alive(conn, workers.GONE_AFTER_S)))


def prompts(settings: Settings) -> Result:
    """Check that all prompt templates can be used."""
    try:
        library = Library.load(settings.prompts_dir)
    except SettingsError as error:
        return Verdict.FAIL, error.message, "Correct it, or take it away: the service does not start with it."
    own = f", and yours in {settings.prompts_dir}" if settings.prompts_dir else ""
    return Verdict.OK, f"in {', '.join(library.languages)}{own}", ""


def _clocks(settings: Settings) -> tuple[float, float | None]:
    def question(conn: Connection) -> tuple[float, float | None]:
        newest = conn.execute(select(func.max(job.c.creation_date))).scalar_one()
        return read_clock(conn), newest.timestamp() if newest else None

    return ask(settings, question)


def _other_hosts(settings: Settings) -> list[str]:
    if not is_there(settings):
        return []
    hosts = {one.host for one in ask(settings, lambda conn: workers.list_alive(conn, workers.GONE_AFTER_S))}
    return sorted(hosts - {socket.gethostname()})


def ask(settings: Settings, question: Callable[[Connection], T]) -> T:
    """Return the answer of the settings' database."""
    database = Database.open(settings.database)
    try:
        return database.read_now(question)
    finally:
        database.close_now()


def is_there(settings: Settings) -> bool:
    """Return whether there is a database of this version. A missing database is not made by the check."""
    file = file_of(settings.database)
    if file is not None and not file.exists():
        return False
    return migrate.current(settings.database) == migrate.head()


def _file_system(path: Path) -> str:
    """Return the type of the file system that holds a path, or would hold it."""
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    place = path.resolve()
    return next((mounts[folder] for folder in (place, *place.parents) if folder in mounts), "")


def _said(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M UTC")
