"""The marker of a storage: a note in it with the database that it belongs to, and the number of that one's sweeps.

A row of the database says the same. A database with another identity, or with fewer sweeps (a restored one, say), does
not know which objects the storage holds, and must not treat any of them as unneeded.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from dictograph.blobs.protocol import NOTES

#: The name of the marker of the database that a storage belongs to.
OWNER = "owner.json"

#: The note of another database that also stores into it: its objects must not be swept either.
_OTHER = "other-"


@dataclass(frozen=True, slots=True)
class Marker:
    """The owner of a storage. `counter` is the number of sweeps; `host` and `written_at` are for people."""

    identity: str
    counter: int
    host: str = ""
    written_at: str = ""

    @classmethod
    def now(cls, identity: str, counter: int) -> Marker:
        """Return a marker with the current time and this machine's name."""
        return cls(identity, counter, socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"))

    def encode(self) -> bytes:
        """Return the bytes of the marker as they are stored."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> Marker:
        """Return the marker from stored bytes. Raises ValueError if it is damaged."""
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("no object")
        identity, counter = found.get("identity"), found.get("counter")
        if not isinstance(identity, str) or not identity or type(counter) is not int:
            raise ValueError("no identity, or no counter")
        return cls(identity, counter, str(found.get("host", "")), str(found.get("written_at", "")))


def other_name(identity: str) -> str:
    """Return the name of the note that a database leaves in a storage that is not its own."""
    return f"{_OTHER}{identity}.json"


def is_other(name: str) -> bool:
    """Return whether a note was left by a database that the storage does not belong to."""
    return name.startswith(_OTHER)


def has_marker(storage: Path) -> bool:
    """Return whether a database has ever called this storage its own. Nothing is touched.

    Raises:
        OSError: it cannot be found out, for example when the folder may not be read.
    """
    try:
        return any((storage / NOTES).glob("*.json"))
    except FileNotFoundError:
        return False
