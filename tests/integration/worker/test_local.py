"""Transcription without a service, when it is cut short."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dictograph.errors import LostWorker
from dictograph.local import transcribe
from dictograph.worker.claimer import Claimer
from tests.audio_files import write_noise
from tests.files import files_below
from tests.service import eventually

#: As a notebook does it: the loop is not asyncio.run's, which would take Ctrl-C for itself.
CELL = """
import asyncio, sys, dictograph

async def cell():
    return dictograph.transcribe(sys.argv[1], settings={"engine": "sphinx"}, vad_filter=False)

try:
    asyncio.new_event_loop().run_until_complete(cell())
except KeyboardInterrupt:
    print("interrupted")
"""


def test_whoever_waits_is_told_when_a_part_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def die(_: Claimer) -> None:
        raise ValueError("a fault of Dictograph itself")

    monkeypatch.setattr(Claimer, "run", die)
    with pytest.raises(LostWorker, match="a fault of Dictograph itself"):
        transcribe(write_noise(tmp_path / "a.wav", 1, 1), settings={"engine": "sphinx"})


def test_an_interrupted_notebook_leaves_nothing_running_and_nothing_behind(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 3600, 1)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", CELL, audio],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as cell:
        eventually(lambda: _decoded(temporary) or cell.poll() is not None)
        cell.send_signal(signal.SIGINT)
        said, complaints = cell.communicate(timeout=20)
    assert (said, complaints) == (b"interrupted\n", b"")
    assert not list(temporary.iterdir())


def _decoded(folder: Path) -> list[Path]:
    return [path for path in files_below(folder) if path.suffix == ".pcm"]
