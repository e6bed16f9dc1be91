from __future__ import annotations

import os
from pathlib import Path

import pytest

from dictograph.audio.local_path import lies_under, open_allowed
from dictograph.errors import PathNotAllowed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inside = tmp_path / "root"
    (inside / "deep" / "er").mkdir(parents=True)
    (inside / "deep" / "er" / "a.wav").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2" / "b").write_bytes(b"beside")
    return inside


def test_files_under_a_root_also_through_links_that_stay_inside(root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to("deep/er/a.wav")
    (tmp_path / "way").symlink_to(root)
    for path in (root / "deep/er/a.wav", root / "deep/../link", root / "link", tmp_path / "way/link"):
        with open_allowed(str(path), [tmp_path / "missing", tmp_path / "way"]) as file:
            assert file.read() == b"inside"


def test_everything_else_is_refused_in_the_same_words(root: Path, tmp_path: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to("..")
    refused = [
        *(tmp_path / "secret", root / "../secret", root / "out", root / "up/secret", tmp_path / "root-2/b"),
        *(
            root / "missing",
            root / "deep",
            root / "pipe",
            root / "loop",
            root / "up/root",
            root.parent,
            "/x\0y",
            "/dev/zero",
        ),
    ]
    messages = set()
    for path in refused:
        with pytest.raises(PathNotAllowed) as caught:
            open_allowed(str(path), [root])
        messages.add(caught.value.message)
    assert len(messages) == 1
    with pytest.raises(PathNotAllowed):
        open_allowed(str(root / "deep/er/a.wav"), [])


def test_what_the_text_of_a_path_says_by_itself_is_told(root: Path) -> None:
    for path, words in (
        ("deep/er/a.wav", "give an absolute path"),
        ("", "give an absolute path"),
        (f"{root}", "is a folder"),
        (f"{root}/deep/..", "is a folder"),
    ):
        with pytest.raises(PathNotAllowed, match=words):
            open_allowed(path, [root])


def test_the_folders_that_a_way_comes_back_from_are_not_looked_at(root: Path, tmp_path: Path) -> None:
    """Else whoever may name a path could find out which folders there are outside."""
    for way in ("root-2", "no such folder", "secret"):
        with open_allowed(f"{tmp_path}/{way}/../root/deep/er/a.wav", [root]) as file:
            assert file.read() == b"inside"


def test_whether_a_path_lies_under_a_root_does_not_depend_on_what_is_there(root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to("deep")
    for path in ("deep/er/a.wav", "deep/none", "none/none", "deep", "in/er/a.wav", "in/none", "none/../deep"):
        assert lies_under(f"{root}/{path}", [tmp_path / "missing", root]), path
    for path in ("", "..", "../secret", "../none", "out/secret", "out/none", "../root-2/b", "a\0b"):
        assert not lies_under(f"{root}/{path}", [root]), path
    assert not lies_under("deep/er/a.wav", [root])
    assert not lies_under(f"{root}/deep/er/a.wav", [])


def test_a_folder_swapped_for_a_link_after_it_was_checked_leads_nowhere(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "er").mkdir()
    (tmp_path / "er" / "a.wav").write_bytes(b"secret")
    resolve = Path.resolve

    def resolve_then_swap(self: Path, strict: bool = False) -> Path:
        found = resolve(self, strict)
        if strict:
            (root / "deep").rename(root / "gone")
            (root / "deep").symlink_to(tmp_path)
        return found

    monkeypatch.setattr(Path, "resolve", resolve_then_swap)
    with pytest.raises(PathNotAllowed):
        open_allowed(str(root / "deep/er/a.wav"), [root])
