"""What is made is its user's alone, whatever the umask; a group has what it was given."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dictograph.data_folder import close_data_folder, readable_by_others
from dictograph.runtime.private_files import (
    close_to_others,
    group_rights,
    make_private_file,
    make_private_folder,
    private,
    rights_given,
)
from dictograph.settings.model import Settings
from dictograph.store.migrate import upgrade


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder that was given to nobody else."""
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.mark.usefixtures("umask")
def test_what_is_made_is_private_whatever_the_umask(closed: Path) -> None:
    make_private_folder(closed / "a" / "b")
    make_private_file(closed / "a" / "b" / "c")
    with open(closed / "a" / "d", "wb", opener=private()) as file:
        file.write(b"d")
    found = [mode(closed / name) for name in ("a", "a/b", "a/b/c", "a/d")]
    assert found == [0o700, 0o700, 0o600, 0o600]


@pytest.mark.usefixtures("umask")
def test_a_group_has_what_it_was_given_on_the_folder_above(closed: Path) -> None:
    closed.chmod(0o2750)
    make_private_folder(closed / "a")
    make_private_file(closed / "a" / "b")
    with open(closed / "c", "wb", opener=private(group_rights(closed))):
        pass
    assert [mode(closed / name) & 0o777 for name in ("a", "a/b", "c")] == [0o750, 0o640, 0o640]


def test_what_everybody_has_was_not_given_to_the_group(closed: Path) -> None:
    closed.chmod(0o755)
    assert (rights_given(closed), group_rights(closed)) == (0, 0o050)
    make_private_folder(closed / "a")
    assert mode(closed / "a") == 0o700
    closed.chmod(0o1777)
    assert (rights_given(closed), group_rights(closed)) == (0, 0)


def test_what_is_there_already_stays_as_it_is(closed: Path) -> None:
    (closed / "a").mkdir()
    (closed / "a").chmod(0o755)
    make_private_folder(closed / "a")
    assert mode(closed / "a") == 0o755
    (closed / "b").write_text("b")
    with pytest.raises(FileExistsError):
        make_private_file(closed / "b")
    with pytest.raises(FileExistsError):
        make_private_folder(closed / "b")


@pytest.mark.parametrize(
    ("before", "after"), [(0o755, 0o700), (0o775, 0o700), (0o750, 0o750), (0o700, 0o700), (0o2755, 0o2750)]
)
def test_a_folder_is_closed_to_others_and_keeps_what_its_group_was_given(closed: Path, before: int, after: int) -> None:
    folder = closed / "a"
    folder.mkdir()
    folder.chmod(before)
    assert close_to_others(folder) == (before != after)
    assert mode(folder) == after


def test_what_is_not_there_or_is_a_link_is_left_alone(closed: Path) -> None:
    target = closed / "target"
    target.mkdir()
    target.chmod(0o755)
    (closed / "link").symlink_to(target)
    assert not close_to_others(closed / "link")
    assert not close_to_others(closed / "nothing")
    assert mode(target) == 0o755


@pytest.fixture
def older(closed: Path) -> Settings:
    """A data folder as earlier versions left it, with storage outside of it."""
    before = os.umask(0o022)
    try:
        settings = Settings(data_dir=closed / "data", storage_url=str(closed / "storage"))
        for folder in (settings.data_dir, closed / "storage", settings.scratch, settings.processes):
            folder.mkdir(parents=True)
        upgrade(settings.database)
        (settings.data_dir / "dictograph.db").chmod(0o644)
    finally:
        os.umask(before)
    closed.chmod(0o755)
    for folder in closed.parents:
        if not mode(folder) & 0o001 and folder.stat().st_uid == os.geteuid():
            folder.chmod(mode(folder) | 0o001)
    return settings


def test_an_older_data_folder_is_closed_and_storage_elsewhere_is_not(
    older: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    file, storage = older.data_dir / "dictograph.db", older.data_dir.with_name("storage")
    assert set(readable_by_others(older)) == {older.data_dir, file, storage, older.scratch, older.processes}
    close_data_folder(older)
    assert [mode(path) for path in (older.data_dir, file, older.scratch)] == [0o700, 0o600, 0o700]
    assert mode(storage) == 0o755
    assert str(file) in caplog.text
    assert readable_by_others(older) == [storage]
    caplog.clear()
    close_data_folder(older)
    assert caplog.text == "", "the second time there is nothing to do"


def test_a_data_folder_that_is_a_home_too_stays_open_and_what_is_ours_in_it_does_not(older: Settings) -> None:
    (older.data_dir / "letters").mkdir()
    close_data_folder(older)
    assert [mode(path) for path in (older.data_dir, older.data_dir / "dictograph.db")] == [0o755, 0o600]


def test_a_group_that_was_given_the_data_folder_keeps_it(older: Settings) -> None:
    older.data_dir.chmod(0o750)
    close_data_folder(older)
    found = [mode(path) for path in (older.data_dir, older.data_dir / "dictograph.db", older.scratch)]
    assert found == [0o750, 0o640, 0o750]
