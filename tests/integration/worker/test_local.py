"""Transcription without a service, when it is cut short."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import psutil
import pytest

from dictograph.audio.source_file import SourceFile
from dictograph.embedded import JobFailed, transcribe
from dictograph.errors import LostWorker
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


def test_the_input_is_not_copied(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 3600, 1)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", CELL, audio],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=no_signal_ignored,
    ) as cell:  # fmt: skip
        try:
            eventually(lambda: _decoded(temporary) or cell.poll() is not None, 200)
            assert cell.poll() is None
            assert [path.name for path in files_below(temporary) if "blobs" in path.parts] == []
        finally:
            cell.send_signal(signal.SIGINT)
            cell.communicate(timeout=60)


def test_a_file_that_is_written_to_while_it_is_read_is_named(tmp_path: Path) -> None:
    """Its time changes again and again; a job of the half of a recording would be taken for that of a whole one."""
    audio, over = write_noise(tmp_path / "a.wav", 60, 1), threading.Event()

    def touch() -> None:
        for number in count(1):
            os.utime(audio, ns=(number, number))
            if over.wait(0.001):
                return

    writer = threading.Thread(target=touch)
    writer.start()
    try:
        with pytest.raises(JobFailed) as failed:
            transcribe(audio, settings={"engine": "sphinx"})
    finally:
        over.set()
        writer.join()
    assert failed.value.code == "source_changed"


def test_a_file_is_the_same_whatever_happens_to_its_name(tmp_path: Path) -> None:
    audio, other = write_noise(tmp_path / "a.wav", 2, 1), write_noise(tmp_path / "b.wav", 2, 2)
    with audio.open("rb") as file:
        source = SourceFile.of(file.fileno())
        sound = audio.read_bytes()
        other.replace(audio)
        for _ in range(2):  # each attempt reads from the beginning
            with os.fdopen(source.duplicate(), "rb") as again:
                assert again.read() == sound
        source.check()


def _decoded(folder: Path) -> list[Path]:
    return [path for path in files_below(folder) if path.suffix == ".pcm"]
