"""What lies in folders that others change meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """All files, in no order. A folder that goes while it is looked at holds none.

    `Path.rglob` raises FileNotFoundError then, up to Python 3.12.
    """
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]
