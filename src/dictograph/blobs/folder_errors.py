"""Errors of a file system, as errors of the storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dictograph.errors import DictographError, StorageFull, StorageUnavailable
from dictograph.runtime.disk import FULL


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise StorageFull or StorageUnavailable in place of the system's own error."""
    try:
        yield
    except OSError as error:
        raise storage_error(error) from error


def storage_error(error: OSError) -> DictographError:
    """Return the storage's error for one of the system."""
    if error.errno in FULL:
        return StorageFull("The storage is full. Free some space, or remove old jobs, and try again.")
    return StorageUnavailable(f"The storage cannot be used: {error.strerror or error}.")
