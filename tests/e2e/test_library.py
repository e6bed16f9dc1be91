"""`dictograph.transcribe()`, from a plain script, from inside an event loop, and when things go wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dictograph.embedded import JobFailed, transcribe
from dictograph.errors import InvalidOption, PathNotAllowed, SettingsError
from tests.service import ROOT, TINY

COUNT = ROOT / "src" / "dictograph" / "samples" / "count.wav"
WORDS = "one two three four five six seven eight"
SPHINX = {"engine": "sphinx"}


@pytest.mark.contract("path", "dictograph.transcribe(path)", "from Python: one call, a path in and the transcript out")
def test_a_plain_script_without_a_main_guard(tmp_path: Path) -> None:
    """A multiprocessing pool would import the script again in every child, and never end."""
    script = tmp_path / "plain.py"
    script.write_text(
        "import dictograph\n"
        "print('once')\n"
        f"t = dictograph.transcribe({str(COUNT)!r}, settings={{'engine': 'sphinx'}}, word_timestamps=True)\n"
        "print(t.text, t.language, len(t.words))\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"once\n{WORDS} en 8\n"


def test_inside_a_running_event_loop(tmp_path: Path) -> None:
    """As in a notebook."""
    script = tmp_path / "notebook.py"
    script.write_text(
        "import asyncio, dictograph\n"
        "async def cell():\n"
        f"    return dictograph.transcribe({str(COUNT)!r}, settings={{'engine': 'sphinx'}}).text\n"
        "print(asyncio.run(cell()))\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == (f"{WORDS}\n", 0), done.stderr


def test_errors_have_a_code_and_say_what_was_wrong(tmp_path: Path) -> None:
    text = tmp_path / "talk.mp3"
    text.write_text("these are words, but nobody speaks them\n" * 20)
    with pytest.raises(JobFailed) as failed:
        transcribe(text, settings=SPHINX)
    assert (failed.value.code, failed.value.stage) == ("unsupported_format", "DECODE")
    with pytest.raises(PathNotAllowed, match="There is no file"):
        transcribe(tmp_path / "nothing.wav", settings=SPHINX)
    with pytest.raises(InvalidOption, match="no option 'colour'"):
        transcribe(COUNT, settings=SPHINX, colour="blue")
    with pytest.raises(SettingsError):
        transcribe(COUNT, settings={"engine": "no such engine"})


def test_another_engine_by_settings() -> None:
    transcript = transcribe(COUNT, settings={"engine": "whisper", "model": str(TINY)}, language="en")
    assert transcript.head.engine == "whisper"
    assert transcript.text
    assert transcript.duration == pytest.approx(3.1, abs=0.1)
