"""Debian's recordings for tests: prompts in five languages with their texts, read sentences, hold music."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bench.recordings import Recording, Recordings, folder
from tests.needs import missing

__all__ = ["Recording", "librivox", "music", "prompt", "prompts", "recordings", "single_words"]


def recordings() -> Recordings:
    """All of them; else the test is skipped, or fails where `CI` is set."""
    found = _found(folder())
    if found is None:
        missing(f"the recordings are not in {folder()}: `make recordings` fetches them")
    return found


def prompt(language: str, name: str) -> Path:
    """The file of one prompt, such as "digits/5": 8 kHz, mono. Languages: en, es, fr, it, ru."""
    path = recordings().prompt(language, name)
    assert path.is_file(), path
    return path


def prompts(language: str) -> list[Recording]:
    """The prompts of at least three words whose text is what is heard."""
    return recordings().prompts(language)


def single_words(language: str) -> list[Recording]:
    """The prompts of one word: numbers, days, months, signs, the names for spelling."""
    return recordings().single_words(language)


def librivox() -> list[Recording]:
    """Five sentences of "Sense and Sensibility", in the book's order: English, 16 kHz, mono."""
    return recordings().librivox()


def music() -> list[Path]:
    """Five pieces of hold music: 8 kHz, mono."""
    return recordings().music()


@cache
def _found(root: Path) -> Recordings | None:
    found = Recordings(root)
    return found if found.complete else None
