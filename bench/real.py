"""What the figures with real weights and recorded people stand on: `make bench` puts both into the checkout."""

from __future__ import annotations

from pathlib import Path

from bench.recordings import Recordings
from bench.recordings import folder as recordings_folder
from scripts.models import folder as weights_folder


def base() -> Path:
    """Return the folder of Whisper's `base`. Raises FileNotFoundError."""
    path = weights_folder() / "base"
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not here: `make models` brings it")
    return path


def recordings() -> Recordings:
    """Return Debian's recordings. Raises FileNotFoundError."""
    found = Recordings(recordings_folder())
    if not found.complete:
        raise FileNotFoundError(f"the recordings are not in {found.root}: `make recordings` fetches them")
    return found
