"""What lies in folders that others change meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

from dictograph.blobs.protocol import NOTES


def files_below(folder: Path) -> list[Path]:
    """All files, in no order, but for the notes of a storage. A folder that goes while it is looked at holds none.

    `Path.rglob` raises FileNotFoundError then, up to Python 3.12.
    """
    return [Path(place, name) for place, _, names in os.walk(folder) if NOTES not in place for name in names]
