"""Tests of folders by `dictograph doctor`. Each folder is left as it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def try_to_write(folder: Path) -> None:
    """Write a file in a folder, which is made if it is missing. Remove again what was made.

    Raises:
        OSError: writing is impossible; always with the name of a file or folder.
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
    """Remove the folders that are made inside the context, so that a check leaves no trace."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    finally:
        for place in made:
            with suppress(OSError):
                os.rmdir(place)


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest existing folder above it: both are on the same disk."""
    return next(place for place in (folder, *folder.parents) if place.exists())
