"""Dictograph turns audio into text and loses nothing on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from dictograph.transcript import Transcript

__version__ = "0.1.0"
__all__ = ["__version__", "transcribe"]


def transcribe(path: str | Path, **options: Any) -> Transcript:
    """Transcribe a file and return its transcript: see `dictograph.embedded.transcribe`.

    `transcribe("talk.mp3", language="en").text` are the words. Keyword arguments are the options of
    a transcription, and `settings` for how and where (`settings={"engine": "sphinx"}`).
    """
    from dictograph.embedded import transcribe as transcribe_locally  # the service's parts load only when needed

    return transcribe_locally(path, **options)
