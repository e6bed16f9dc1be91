"""Checksums of weights: of single files as the hub gives them, of whole folders by our own digest."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")


def matches(path: Path, checksum: str) -> bool:
    """Return whether a file has the checksum that the hub gives.

    Large files (Git LFS) have their SHA-256; small ones git's object id, which is the SHA-1 of
    "blob SIZE", a zero byte and the content (Pro Git, section 10.2, "Git Objects"). A checksum of
    another form cannot be checked, and matches.
    """
    if _SHA256.fullmatch(checksum):
        return _hexdigest(path, "sha256") == checksum
    if _GIT_SHA1.fullmatch(checksum):
        return _hexdigest(path, "sha1", f"blob {path.stat().st_size}\0".encode()) == checksum
    return True


class FolderDigests:
    """The digests of folders, computed again only when the name, size or modification time of a file has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[tuple[str, int, int], ...], str]] = {}

    def digest(self, folder: Path) -> str:
        """Return the SHA-256 over the folder's files: the name and the SHA-256 of the content of each, sorted by name.

        Reads every byte the first time: about a second for a gigabyte.
        """
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        state = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
        known = self._known.get(folder)
        if known is None or known[0] != state:
            whole = hashlib.sha256()
            for path in files:
                whole.update(f"{path.name}\0{_hexdigest(path, 'sha256')}\n".encode())
            known = self._known[folder] = (state, whole.hexdigest())
        return known[1]


def _hexdigest(path: Path, algorithm: str, before: bytes = b"") -> str:
    hash = hashlib.new(algorithm, before, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            hash.update(chunk)
    return hash.hexdigest()
