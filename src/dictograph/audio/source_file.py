"""A file of the user that is read in place, by its descriptor."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dictograph.errors import SourceChanged


@dataclass(frozen=True, slots=True)
class SourceFile:
    """An open file, with its size (bytes) and the time of its last change (ns) when it was opened."""

    descriptor: int
    size: int
    modified: int

    @classmethod
    def of(cls, descriptor: int) -> SourceFile:
        state = os.fstat(descriptor)
        return cls(descriptor, state.st_size, state.st_mtime_ns)

    def duplicate(self) -> int:
        """Return a new descriptor, at the beginning of the file."""
        descriptor = os.dup(self.descriptor)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def check(self) -> None:
        """Check that the file was not changed since it was opened. Raises SourceChanged."""
        if SourceFile.of(self.descriptor) != self:
            raise SourceChanged("The file was changed while it was read. Try again when nothing writes to it any more.")
