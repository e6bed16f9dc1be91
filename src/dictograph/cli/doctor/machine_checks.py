"""Checks of `dictograph doctor` for the machine: libraries, folders, disk, addresses. Called in a thread."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dictograph.blobs.kinds import open_blobs
from dictograph.blobs.protocol import Blobs
from dictograph.cli.doctor.findings import Result, Verdict
from dictograph.cli.doctor.write_probe import existing, left_as_it_was, try_to_write
from dictograph.cli.text.text_table import size
from dictograph.contract import Address
from dictograph.runtime.redaction import redacted
from dictograph.service.compat.path_jobs import root_troubles
from dictograph.settings.model import Settings, variable
from dictograph.store import migrate
from dictograph.store.backends import server_info, sqlite
from dictograph.store.backends.dialects import check_writable, file_of

_LIBRARIES = (
    *("av", "ctranslate2", "faster-whisper", "onnxruntime", "pocketsphinx", "sqlalchemy", "psycopg"),
    *("fastapi", "uvicorn"),
)

#: In bytes. An hour of decoded audio takes 115 MB; below these limits there is soon no space for jobs.
_TIGHT, _TOO_TIGHT = 5 * 10**9, 5 * 10**8


def libraries(settings: Settings) -> Result:
    """Report the versions of Python and of the important libraries."""
    del settings
    found, missing = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"], []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Verdict.FAIL, f"not installed: {', '.join(missing)}", "Install Dictograph again, with its dependencies."
    if sqlite3.sqlite_version_info < sqlite.OLDEST:
        return Verdict.FAIL, f"SQLite {sqlite3.sqlite_version} is too old", "Use a Python with SQLite 3.35 or newer."
    return Verdict.OK, ", ".join(found), ""


def database(settings: Settings) -> Result:
    """Check that the database can be used and has this version's tables. A missing database is not made."""
    place = redacted(settings.database)
    file = file_of(settings.database)
    if file is not None and not file.exists():
        try_to_write(file.parent)
        return Verdict.OK, f"{place} is not there yet; the first start makes it", ""
    found = server_info.inspect(settings.database) if file is None else None
    revision = migrate.current(settings.database)
    migrate.check_known(revision)
    check_writable(settings.database)
    if revision != migrate.head():
        detail = f"{place} is at {revision or 'no revision'}, this version needs {migrate.head()}"
        return Verdict.WARN, detail, "Run `dictograph db upgrade`, or start the service, which does it."
    return _server(settings, place, found) if found else (Verdict.OK, f"{place} at {revision}", "")


def _server(settings: Settings, place: str, found: server_info.Server) -> Result:
    """Return the result for a PostgreSQL server that has this version's tables."""
    told = f"{place} at {migrate.head()}: {found}"
    needed = settings.database_pool + 1
    if found.careless:
        detail = f"{told}; {' and '.join(found.careless)} off: a power cut may damage it"
        return Verdict.WARN, detail, "Switch that on in postgresql.conf, unless this is for trying out."
    if found.free < needed:
        detail = f"{told}; it has {found.free} connections free, and a process takes up to {needed}"
        return Verdict.WARN, detail, f"Raise max_connections of the server, or lower {variable('database_pool')}."
    if found.tls is None and not found.local:
        return Verdict.WARN, told, "What goes over the network can be read: add ?sslmode=verify-full to the URL."
    return Verdict.OK, told, ""


def storage(settings: Settings) -> Result:
    """Check that objects can be stored, by storing one."""
    blobs = open_blobs(settings.objects_url, settings.storage_options)
    if settings.storage is None:
        return asyncio.run(_bucket(settings, blobs))
    with left_as_it_was(settings.storage):
        asyncio.run(blobs.check())
    return Verdict.OK, f"{settings.storage} can be written", ""


async def _bucket(settings: Settings, blobs: Blobs) -> Result:
    """Check a bucket. A missing one is not made."""
    if (lacking := await blobs.lacking()) is None:
        return Verdict.OK, f"{settings.storage_place} is not there yet; the first start makes it", ""
    await blobs.check()
    if lacking:
        return Verdict.WARN, f"{settings.storage_place} can be written; {'; '.join(lacking)}", "Add that to the bucket."
    return Verdict.OK, f"{settings.storage_place} can be written", ""


def scratch(settings: Settings) -> Result:
    """Check that decoded audio can be written."""
    try_to_write(settings.scratch)
    return Verdict.OK, f"{settings.scratch} can be written", ""


def processes(settings: Settings) -> Result:
    """Check that a process can make its lock file."""
    try_to_write(settings.processes)
    return Verdict.OK, f"{settings.processes} can be written", ""


def disk(settings: Settings) -> Result:
    """Check that the disks of everything that grows have free space."""
    free, field, folder = min(
        (shutil.disk_usage(existing(folder)).free, field, folder) for field, folder in _growing(settings).items()
    )
    detail = f"{size(free)} free at {folder}"
    advice = (
        f"Free some space there, or name another place in {variable(field)}. An hour of audio needs 115 MB for a while."
    )
    if free < _TOO_TIGHT:
        return Verdict.FAIL, detail, advice
    return (Verdict.WARN, detail, advice) if free < _TIGHT else (Verdict.OK, detail, "")


def _growing(settings: Settings) -> dict[str, Path]:
    """Return the places that grow as jobs arrive, by the setting that names them: one for each disk."""
    places = {
        "data_dir": settings.data_dir,
        "scratch_dir": settings.scratch,
        **({} if settings.storage is None else {"storage_url": settings.storage}),
        "path_upload_dir": settings.path_uploads,
    }
    if (file := file_of(settings.database)) is not None:
        places["database_url"] = file.parent
    disks: dict[int, str] = {}
    for field, folder in places.items():
        disks.setdefault(os.stat(existing(folder)).st_dev, field)
    return {field: places[field] for field in disks.values()}


def paths(settings: Settings) -> Result:
    """Check that the folders from which clients may name files can be read."""
    if troubles := root_troubles(settings):
        advice = f"Correct {variable('path_roots')}, or make the folder, readable for the service's user."
        return Verdict.WARN, " ".join(troubles).removesuffix("."), advice
    if not settings.path_roots:
        return Verdict.OK, f"no folder's files may be named by their path ({variable('path_roots')})", ""
    return Verdict.OK, f"{', '.join(map(str, settings.path_roots))} can be read", ""


def addresses(settings: Settings) -> Result:
    """Check that the service can listen on its addresses."""
    taken = [address for address in settings.listen if not _can_listen(Address.parse(address).authority)]
    if taken:
        detail = f"{', '.join(taken)} cannot be listened on: something does already, or it is not this machine's"
        return Verdict.WARN, detail, f"All is well if that is this service. Else see {variable('listen')}."
    return Verdict.OK, f"{', '.join(settings.listen)} is free", ""


def _can_listen(address: str) -> bool:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), int(port)))
            listener.listen()
        except OSError:
            return False
    return True
