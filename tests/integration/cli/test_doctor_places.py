"""What the doctor and a start say of places that this user may not write, and of disks that are full."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dictograph
from dictograph.cli.doctor import audio_checks, machine_checks
from dictograph.cli.doctor.findings import Finding, Result, Verdict, find, in_thread
from dictograph.errors import DatabaseUnavailable, SettingsError, StorageFull
from dictograph.parts.resources import open_resources
from dictograph.settings.model import Settings
from dictograph.store.migrate import upgrade
from tests.disks import Disk, small_disk

MIB = 2**20
NOBODY = 65534


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 4 * MIB) as disk:
        yield disk


@pytest.fixture
def theirs(tmp_path: Path) -> Settings:
    """A service that was here, of a user who has no rights but those to its folder."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    settings = Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "models")
    start(settings)  # and so all that Python imports for it is read by root
    for path in (settings.data_dir, *settings.data_dir.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    for folder in tmp_path.parents:
        if str(folder) != folder.root:
            folder.chmod(folder.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    with nobody():
        if not os.access(dictograph.__file__, os.R_OK, effective_ids=True):
            pytest.skip("this Python is in a folder that nobody but root may enter")
    return settings


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user who is not root for a while."""
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def looked(check: Callable[[Settings], Result], settings: Settings) -> Finding:
    return asyncio.run(find("it", in_thread(check), settings))


def start(settings: Settings) -> None:
    """As every process of a service does, before anything runs."""

    async def started() -> None:
        async with open_resources(settings):
            pass

    asyncio.run(started())


def test_a_database_that_may_only_be_read_is_found_and_refused_at_the_start(theirs: Settings) -> None:
    database = theirs.data_dir / "dictograph.db"
    with nobody():
        assert looked(machine_checks.database, theirs).verdict is Verdict.OK
        start(theirs)
    os.chown(database, 0, 0)
    database.chmod(0o644)
    with nobody():
        finding = looked(machine_checks.database, theirs)
        assert (finding.verdict, "check the rights of the file" in finding.detail) == (Verdict.FAIL, True)
        with pytest.raises(DatabaseUnavailable, match="check the rights of the file"):
            start(theirs)


def test_lock_files_that_cannot_be_made_are_found_and_refused_at_the_start(theirs: Settings) -> None:
    with nobody():
        assert looked(machine_checks.processes, theirs).verdict is Verdict.OK
    os.chown(theirs.processes, 0, 0)
    with nobody():
        finding = looked(machine_checks.processes, theirs)
        assert (finding.verdict, str(theirs.processes) in finding.detail) == (Verdict.FAIL, True)
        with pytest.raises(SettingsError) as refusal:
            start(theirs)
    assert str(refusal.value) == f"{theirs.processes} cannot be written (DICTOGRAPH_DATA_DIR): Permission denied."


def test_weights_that_cannot_be_written_are_not_promised(theirs: Settings) -> None:
    assert theirs.models_dir is not None
    theirs.models_dir.mkdir(mode=0o755)
    with nobody():
        verdict, _, advice = asyncio.run(audio_checks.models(theirs))
    assert verdict is Verdict.WARN
    assert advice.startswith(f"The service cannot fetch them: {theirs.models_dir}: Permission denied."), advice
    assert "DICTOGRAPH_MODELS_DIR" in advice


def test_weights_for_which_there_is_no_room_are_not_promised(small: Disk) -> None:
    settings = Settings(models_dir=small.folder / "models", engine="whisper")
    _, _, advice = asyncio.run(audio_checks.models(settings))
    assert advice.startswith(f"The service cannot fetch them: 4.19 MB free at {small.folder / 'models'}."), advice
    assert not (small.folder / "models").exists()


def test_a_full_disk_is_no_question_of_rights(small: Disk, tmp_path: Path) -> None:
    small.fill()
    finding = looked(machine_checks.scratch, Settings(data_dir=tmp_path, scratch_dir=small.folder))
    assert (finding.verdict, finding.detail) == (Verdict.FAIL, f"{small.folder}: No space left on device")
    assert "ree some space" in finding.advice
    assert "may write" not in finding.advice


def test_a_database_on_a_full_disk_is_told_from_a_broken_disk(small: Disk) -> None:
    settings = Settings(data_dir=small.folder / "data")
    settings.data_dir.mkdir()
    upgrade(settings.database)
    small.fill()
    finding = looked(machine_checks.database, settings)
    assert (finding.verdict, "is full; free some space" in finding.detail) == (Verdict.FAIL, True)
    with pytest.raises(StorageFull, match="is full; free some space"):
        start(settings)


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("scratch_dir", ""), ("storage_url", ""), ("path_upload_dir", "not/there/yet"),
        ("database_url", "dictograph.db"),
    ],
)  # fmt: skip
def test_the_disks_of_places_elsewhere_are_looked_at(small: Disk, tmp_path: Path, field: str, place: str) -> None:
    assert looked(machine_checks.disk, Settings(data_dir=tmp_path)).verdict is not Verdict.FAIL
    where = f"{'sqlite:///' if field == 'database_url' else ''}{small.folder / place}"
    finding = looked(machine_checks.disk, Settings.model_validate({"data_dir": tmp_path, field: where}))
    assert (finding.verdict, str(small.folder) in finding.detail) == (Verdict.FAIL, True)
    assert f"DICTOGRAPH_{field.upper()}" in finding.advice
