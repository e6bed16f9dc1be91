"""The marker of a storage: a note in it that says which database it belongs to, and how often that has swept it.

The row of the database says the same. A database of another identity, or one that was swept less often, as a restored
one, does not know what lies in the storage, and must not call any of it needless.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from dictograph.blobs.objects import NOTES

#: The marker of the database that a storage belongs to.
OWNER = "owner.json"

#: What another database leaves that stores into it all the same: its objects must not be swept either.
_OTHER = "other-"


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose a storage is. `counter`: of how many sweeps; `host` and `written_at` are for people."""

    identity: str
    counter: int
    host: str = ""
    written_at: str = ""

    @classmethod
    def now(cls, identity: str, counter: int) -> Marker:
        """Return a marker of this moment and machine."""
        return cls(identity, counter, socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"))

    def encode(self) -> bytes:
        """Return the marker as it is stored."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> Marker:
        """Return the marker that was stored. Raises ValueError when it is damaged."""
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
        OSError: it cannot be told, as where the folder may not be read.
    """
    try:
        return any((storage / NOTES).glob("*.json"))
    except FileNotFoundError:
        return False
