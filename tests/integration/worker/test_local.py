"""Transcription without a service, when it is cut short."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dictograph.errors import LostWorker
from dictograph.local import transcribe
from dictograph.worker.claimer import Claimer
from tests.audio_files import write_noise
from tests.files import files_below
from tests.processes import no_signal_ignored
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

#: A limit of time that a program sets itself; its handler raises in the main thread, wherever that is.
LIMITED = """
import signal, sys, threading, dictograph

class TooLong(Exception): pass

def end(*_): raise TooLong

signal.signal(signal.SIGALRM, end)
def work(): dictograph.transcribe(sys.argv[1], settings={"engine": "sphinx"}, vad_filter=False)
try:
    CALL
except TooLong:
    print("interrupted", *(thread.name for thread in threading.enumerate() if thread.name == "dictograph"))
"""
LIMITED_CELL = """
    async def cell(): work()
    import asyncio
    asyncio.new_event_loop().run_until_complete(cell())
"""


def test_whoever_waits_is_told_when_a_part_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def die(_: Claimer) -> None:
        raise ValueError("a fault of Dictograph itself")

    monkeypatch.setattr(Claimer, "run", die)
    with pytest.raises(LostWorker, match="a fault of Dictograph itself"):
        transcribe(write_noise(tmp_path / "a.wav", 1, 1), settings={"engine": "sphinx"})


@pytest.mark.parametrize(
    ("program", "number"),
    [
        (CELL, signal.SIGINT),
        (LIMITED.replace("CALL", LIMITED_CELL.strip()), signal.SIGALRM),
        (LIMITED.replace("CALL", "work()"), signal.SIGALRM),
    ],
    ids=["Ctrl-C in a notebook", "limit in a notebook", "limit in a script"],
)
def test_what_is_raised_in_the_caller_leaves_nothing_running_and_nothing_behind(
    program: str, number: signal.Signals, tmp_path: Path
) -> None:
    audio = write_noise(tmp_path / "a.wav", 3600, 1)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", program, audio],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=no_signal_ignored,
    ) as cell:  # fmt: skip
        try:
            eventually(lambda: _decoded(temporary) or cell.poll() is not None, 200)
            children = psutil.Process(cell.pid).children(recursive=True)
            cell.send_signal(number)
            said, complaints = cell.communicate(timeout=60)
        finally:
            cell.kill()
    assert (said, complaints) == (b"interrupted\n", b"")
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert not list(temporary.iterdir())


def _decoded(folder: Path) -> list[Path]:
    return [path for path in files_below(folder) if path.suffix == ".pcm"]
