"""Spoken samples that ship with Dictograph, and the words in them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from pathlib import Path


def hello() -> AbstractContextManager[Path]:
    """The greeting of `make demo`, as an mp3 file: 10.6 s of English."""
    return as_file(files(__name__) / "hello.mp3")


def hello_words() -> str:
    """What is said in `hello`."""
    return (files(__name__) / "hello.txt").read_text(encoding="utf-8").strip()


def guten_tag() -> AbstractContextManager[Path]:
    """The German sample of `make demo`, as an mp3 file: 10.2 s."""
    return as_file(files(__name__) / "guten-tag.mp3")


def guten_tag_words() -> str:
    """What is said in `guten_tag`."""
    return (files(__name__) / "guten-tag.txt").read_text(encoding="utf-8").strip()


def count_wav() -> bytes:
    """Three seconds of somebody counting to eight: a WAV file, mono, 16 kHz, 16 bits."""
    return (files(__name__) / "count.wav").read_bytes()
