"""Where transcripts go, and that none is ever half there."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from dictograph.cli.transcribe.targets import targets, written
from dictograph.errors import StorageUnavailable


def files(sources: list[str], output: Path, *formats: str) -> list[str]:
    found = targets(sources, formats, f"{output}/")
    return [str(file.relative_to(output)) for target in found for file in target.files.values()]


def test_one_source_goes_to_stdout_or_into_the_file_that_is_named(tmp_path: Path) -> None:
    assert [(t.files, t.title) for t in targets(["a.mp3"], ["json"], None)] == [({}, "")]
    assert targets(["a.mp3"], ["srt"], str(tmp_path / "b.srt"))[0].files == {"srt": tmp_path / "b.srt"}
    assert targets(["a.mp3"], ["srt"], f"{tmp_path}/new/")[0].files == {"srt": tmp_path / "new" / "a.srt"}


def test_several_sources_get_names_of_their_own_in_a_folder(tmp_path: Path) -> None:
    sources = ["x/a.mp3", "y/a.wav", "-", "https://h/p/b%20c.mp3?x=1", "https://h/", "z/a.tar.gz", "v/a.mp3", "v/c.mp3"]
    assert files(sources, tmp_path, "vtt") == [
        *("a.mp3.vtt", "a.wav.vtt", "stdin.vtt", "b c.vtt", "download.vtt", "a.tar.vtt", "a.mp3-2.vtt", "c.vtt")
    ]
    assert files(["a.mp3"], tmp_path, "txt") == ["a.txt"]


def test_each_format_has_a_file(tmp_path: Path) -> None:
    assert files(["a.mp3", "b.mp3"], tmp_path, "srt", "txt") == ["a.srt", "a.txt", "b.srt", "b.txt"]


def test_several_texts_on_stdout_have_titles() -> None:
    assert [t.title for t in targets(["a", "b"], ["txt"], None)] == ["a", "b"]


def test_what_cannot_be_is_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for sources, formats, output in (
        (["a", "b"], ["srt"], None),
        (["a"], ["srt", "txt"], None),
        (["a", "b"], ["txt"], str(tmp_path / "file")),
        (["a"], ["srt", "txt"], str(tmp_path / "file")),
    ):
        with pytest.raises(click.UsageError):
            targets(sources, formats, output)


def test_what_is_there_is_known_by_all_its_files(tmp_path: Path) -> None:
    (target,) = targets(["a.mp3"], ["srt", "txt"], str(tmp_path))
    (tmp_path / "a.srt").touch()
    assert not target.exists
    (tmp_path / "a.txt").touch()
    assert target.exists


def write_half(file: Path) -> None:
    with written(file) as part:
        part.write_text("half")
        raise KeyError


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.txt"
    with written(file) as part:
        part.write_text("whole")
        assert not file.exists()
    assert file.read_text() == "whole"
    with pytest.raises(KeyError):
        write_half(file)
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]
    assert file.read_text() == "whole"


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="cannot be written"), written(tmp_path / "file" / "a.txt") as part:
        part.write_text("x")
