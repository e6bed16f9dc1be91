"""What a command line names: files, folders of recordings, patterns."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from dictograph.cli.transcribe.sources import expanded


def folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


def test_a_folder_stands_for_its_recordings_in_order(tmp_path: Path) -> None:
    here = folder(tmp_path / "calls", "b.MP3", "a.opus", "notes.txt", ".hidden.mp3")
    folder(here / "old.mp3", "c.wav")
    assert expanded([str(here), "-", "x.bin"]) == [str(here / "a.opus"), str(here / "b.MP3"), "-", "x.bin"]


def test_a_pattern_that_no_shell_has_read_is_read_here(tmp_path: Path) -> None:
    here = folder(tmp_path / "calls", "a.wav", "what[1].wav")
    folder(here / "more", "b.wav")
    assert expanded([f"{here}/**/*.wav"]) == [str(here / name) for name in ("a.wav", "more/b.wav", "what[1].wav")]
    assert expanded([f"{here}/what[1].wav"]) == [f"{here}/what[1].wav"]


def test_what_is_named_twice_is_done_once(tmp_path: Path) -> None:
    here = folder(tmp_path / "calls", "a.wav")
    assert expanded([f"{here}/a.wav", str(here)]) == [f"{here}/a.wav"]


@pytest.mark.parametrize(("sources", "words"), [(["-", "-"], "only once"), (["*.nothing"], "No file matches")])
def test_what_cannot_be_is_usage(sources: list[str], words: str) -> None:
    with pytest.raises(click.UsageError, match=words):
        expanded(sources)


def test_a_folder_without_recordings_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="holds no audio or video"):
        expanded([str(folder(tmp_path / "empty", "a.txt"))])
