"""Names of models, the cache's folder, checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dictograph.errors import InvalidOption
from dictograph.models.checksum import FolderDigests, matches
from dictograph.models.hf_cache import Cache, cache_folder, is_folder, missing_files, repository
from tests.service import TINY


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/c", "HF_HOME": "/b"}, "/c"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/d"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/d"}, "/d/huggingface/hub"),
        ({}, str(Path.home() / ".cache/huggingface/hub")),
    ],
)
def test_the_cache_is_where_the_library_has_it(environment: dict[str, str], folder: str) -> None:
    assert cache_folder(None, environment) == Path(folder)
    assert cache_folder(Path("/mine"), environment) == Path("/mine")


def test_names_are_told_from_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TINY.parent)
    assert repository("small") == "Systran/faster-whisper-small"
    assert repository("Somebody/whisper-x.1") == "Somebody/whisper-x.1"
    assert [is_folder(name) for name in ("/x", "./x", "~/x", "ct2")] == [True] * 4
    assert [is_folder(name) for name in ("small", "Somebody/whisper", "nowhere")] == [False] * 3
    for name in ("nowhere", "a/b/c d", "../up", "/"):
        with pytest.raises(InvalidOption):
            repository(name)


def test_a_snapshot_is_one_only_when_it_is_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    folder = cache.storage("a/b") / "snapshots" / ("e" * 40)
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).touch()
    assert missing_files(folder) == ["model.bin"]
    assert cache.snapshot("a/b", "e" * 40) is None
    (folder / "model.bin").touch()
    snapshot = cache.snapshot("a/b", "e" * 40)
    assert snapshot is not None
    assert snapshot.path == folder
    assert cache.snapshot("a/b") is None
    (cache.storage("a/b") / "refs").mkdir()
    (cache.storage("a/b") / "refs" / "main").write_text("e" * 40)
    assert cache.snapshot("a/b") == snapshot
    assert list(cache.repositories()) == ["a/b"]


def test_files_are_checked_by_sha256_or_as_git_names_them(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"what is up, doc?")
    assert matches(file, "bd9dbf5aae1a3862dd1526723246b20206e5fc37")  # the example of Pro Git, section 10.2
    assert matches(file, hashlib.sha256(b"what is up, doc?").hexdigest())
    assert not matches(file, "0" * 40)
    assert not matches(file, "0" * 64)
    assert matches(file, "an etag of another kind")


def test_a_folder_s_digest_follows_its_content_and_names(tmp_path: Path) -> None:
    digests = FolderDigests()
    (tmp_path / "a").write_text("one")
    first = digests.digest(tmp_path)
    assert digests.digest(tmp_path) == first
    (tmp_path / "a").write_text("two!")
    second = digests.digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, digests.digest(tmp_path)}) == 3
    (tmp_path / "b").write_text("one")
    (tmp_path / "b").rename(tmp_path / "a")
    assert FolderDigests().digest(tmp_path) == first
