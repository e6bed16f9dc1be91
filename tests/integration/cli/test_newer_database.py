"""A database that a newer version has brought up to date: everybody says that it is this program which is too old."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from dictograph.cli.doctor import machine_checks
from dictograph.cli.doctor.findings import Verdict, find, in_thread
from dictograph.cli.main import main
from dictograph.settings.model import Settings
from dictograph.store.backends.dialects import migrating
from dictograph.store.migrate import upgrade


@pytest.fixture
def newer(data_dir: Path) -> Settings:
    settings = Settings(data_dir=data_dir)
    data_dir.mkdir()
    upgrade(settings.database)
    with migrating(settings.database) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    return settings


@pytest.mark.parametrize("command", ["jobs list", "keys list", "workers", "db current", "db upgrade"])
def test_commands_ask_for_the_newer_program(newer: Settings, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--data-dir", str(newer.data_dir)])
    told = capsys.readouterr()
    assert end.value.code == 1
    assert "9999" in told.err, told
    assert "install the newer version" in told.err
    assert "db upgrade" not in told.err + told.out


def test_the_doctor_fails_and_asks_for_the_newer_program(newer: Settings) -> None:
    finding = asyncio.run(find("database", in_thread(machine_checks.database), newer))
    assert finding.verdict is Verdict.FAIL
    assert "install the newer version" in finding.detail
    assert "db upgrade" not in finding.detail + finding.advice
