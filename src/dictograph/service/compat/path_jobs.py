"""Transcriptions by path, for the path contract: a client sends a path, and later polls by the same path."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from dictograph.audio.local_path import lies_under, why_never
from dictograph.errors import NotFound, PathNotAllowed
from dictograph.job import Job
from dictograph.service.intake import Intake
from dictograph.service.request import JobRequest
from dictograph.settings.model import Settings, variable
from dictograph.store.compat.path_jobs import newest_of_path
from dictograph.store.database import Database


class Paths:
    """Makes jobs of paths, and finds the newest job of a path. All methods raise DatabaseUnavailable."""

    def __init__(self, database: Database, intake: Intake, settings: Settings) -> None:
        self._database = database
        self._intake = intake
        self._roots = roots_of(settings)

    async def transcribe(self, order: JobRequest, path: str) -> Job:
        """Make a job of a file on this machine.

        Raises:
            PathNotAllowed: the path lies under no root, whether or not the file exists.
            NotFound: the path lies under a root, but there is no readable file.
            ModelNotAllowed, InvalidOption: this service does not have the contract's engine or model.
        """
        if refusal := why_never(path, self._roots):
            raise PathNotAllowed(refusal, param="path")
        if not is_writable_text(path) or not await asyncio.to_thread(lies_under, path, self._roots):
            raise PathNotAllowed(
                "This path is not under a folder that this service may read from (DICTOGRAPH_PATH_ROOTS).",
                param="path",
            )
        try:
            return (await self._intake.path(order, path, self._roots)).job
        except PathNotAllowed as error:
            raise NotFound("There is no readable file at this path.", param="path") from error

    async def newest(self, owner: str, path: str) -> tuple[Job, str]:
        """Return the owner's newest job of the path, and its text once it is completed.

        Raises:
            NotFound: there is none.
        """
        return await self._database.read(lambda conn: newest_of_path(conn, owner, path))


def roots_of(settings: Settings) -> list[Path]:
    """Return the folders whose files may be named: those of the settings, and that of the uploads."""
    return [*settings.path_roots, settings.path_uploads]


def is_writable_text(text: str) -> bool:
    """Return whether a database can store the text unchanged: it has no NUL and no half of a surrogate pair."""
    try:
        return "\0" not in text and bool(text.encode())
    except UnicodeEncodeError:
        return False


def roots_hint(settings: Settings) -> list[str]:
    """Return the lines for the start while no folder may be read: they name the setting."""
    if settings.path_roots:
        return []
    return [
        "No path is taken yet but those of uploads. To take the files of a folder, set this:",
        "DICTOGRAPH_PATH_ROOTS=/data",
    ]


def root_troubles(settings: Settings) -> list[str]:
    """Return a sentence for each folder of the settings from which no file can be read now."""
    return [
        f"{root} ({variable('path_roots')}) {trouble}, so no path beneath it is taken."
        for root in settings.path_roots
        if (trouble := _trouble(root))
    ]


def _trouble(root: Path) -> str:
    try:
        kind = root.stat().st_mode
    except PermissionError:
        return "cannot be read by this user"
    except OSError:
        return "is not there"
    if not stat.S_ISDIR(kind):
        return "is no folder"
    return "" if os.access(root, os.R_OK | os.X_OK) else "cannot be read by this user"
