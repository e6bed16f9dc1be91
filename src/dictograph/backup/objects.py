"""Stored objects in a backup: copied once, checked, and taken out again when no row names them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from dictograph.runtime.fsync import sync_file, sync_folder
from dictograph.runtime.private_files import make_private_folder, private

_CHUNK = 2**20


class Damaged(Exception):
    """An object has other bytes than its row says."""


def copy_object(source: Path, target: Path, size: int, sha256: str | None, group: int) -> bool:
    """Copy an object that is not there yet. Return whether it was copied.

    The copy gets its name only when it is complete. `group` are the rights of its group, as bits of a mode.

    Raises FileNotFoundError if the object is gone, Damaged if its bytes do not match the hash (None: not known).
    """
    if target.is_file() and target.stat().st_size == size:
        return False
    part = target.with_name(target.name + ".part")
    with source.open("rb") as original:
        make_private_folder(target.parent, group)
        try:
            with open(part, "wb", opener=private(group)) as copy:
                shutil.copyfileobj(original, copy, _CHUNK)
            if sha256 is not None and _sha256(part) != sha256:
                raise Damaged(source)
            sync_file(part)
            os.replace(part, target)
            sync_folder(target.parent)
        finally:
            part.unlink(missing_ok=True)
    return True


def names_in(folder: Path) -> Iterator[str]:
    """Yield the names of all objects in a folder, including the remains of an interrupted copy."""
    for place, _, files in os.walk(folder):
        for file in files:
            yield str(Path(place, file).relative_to(folder))


def remove_object(folder: Path, name: str) -> None:
    """Remove an object, and its folder if nothing else is in it."""
    path = folder / name
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it still holds other objects
        path.parent.rmdir()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
