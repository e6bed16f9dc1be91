"""Real Whisper weights for tests: `make models` puts them into `.models`."""

from __future__ import annotations

import os
from pathlib import Path

from dictograph.models.hf_cache import missing_files
from tests.needs import missing


def base() -> Path:
    """Whisper `base`, for all languages; else the test is skipped, or fails where `CI` is set."""
    return _weights("base")


def tiny_en() -> Path:
    """Whisper `tiny.en`, English alone; else the test is skipped, or fails where `CI` is set."""
    return _weights("tiny.en")


def folder() -> Path:
    """The folder that `make models` fills."""
    return Path(os.environ.get("MODELS") or Path(__file__).parents[1] / ".models").absolute()


def _weights(name: str) -> Path:
    path = folder() / name
    if lacking := missing_files(path):
        missing(f"{path} has no {', '.join(lacking)}: `make models` brings the weights")
    return path
