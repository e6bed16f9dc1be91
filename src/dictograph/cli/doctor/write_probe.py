"""Folders that `dictograph doctor` tries: each is left as it was found."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def try_to_write(folder: Path) -> None:
    """Write a file in a folder that is made if need be, and remove both again.

    Raises:
        OSError: it cannot be; always with the name of a file or folder.
    """
    with left_as_it_was(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"dictograph")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(folder)) from error


@contextmanager
def left_as_it_was(folder: Path) -> Iterator[None]:
    """Whatever folders are made meanwhile are removed again: looking is not moving in."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    finally:
        for place in made:
            with suppress(OSError):
                os.rmdir(place)


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there: their disk is the same."""
    return next(place for place in (folder, *folder.parents) if place.exists())
