"""What `dictograph doctor` says of a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import pytest

from dictograph.cli.doctor import machine_checks
from dictograph.cli.doctor.findings import Verdict
from dictograph.errors import DatabaseUnavailable
from dictograph.settings.model import Settings
from dictograph.store import migrate
from dictograph.store.backends import server_info
from tests.postgres import Cluster


def _settings(url: str, folder: Path, pool: int = 10) -> Settings:
    return Settings(database_url=url, data_dir=folder, database_pool=pool)


def test_doctor_names_the_server_and_never_the_password(
    postgres: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.new_database()
    verdict, told, what = machine_checks.database(_settings(url, tmp_path))
    assert (verdict, "no revision" in told) == (Verdict.WARN, True)
    assert "db upgrade" in what
    migrate.upgrade(url)
    verdict, told, what = machine_checks.database(_settings(url, tmp_path))
    assert verdict is Verdict.WARN, "the tests' own server forgets all in a power cut"
    assert "fsync and full_page_writes off" in told
    assert "ms away, no TLS" in told
    assert "PostgreSQL 1" in told
    assert postgres.password not in told + what
    monkeypatch.setattr(server_info, "_careless", lambda connection: ())
    assert machine_checks.database(_settings(url, tmp_path))[0] is Verdict.OK
    verdict, told, what = machine_checks.database(_settings(url, tmp_path, pool=400))
    assert (verdict, "DICTOGRAPH_DATABASE_POOL" in what) == (Verdict.WARN, True)
    monkeypatch.setattr(server_info, "_is_here", lambda host: False)
    verdict, told, what = machine_checks.database(_settings(url, tmp_path))
    assert (verdict, "verify-full" in what) == (Verdict.WARN, True)


def test_doctor_says_what_to_do_when_it_is_not_there(postgres: Cluster, tmp_path: Path) -> None:
    gone = postgres.url("postgres").replace(f":{postgres.port}/", ":1/")
    with pytest.raises(DatabaseUnavailable, match="nothing listens"):
        machine_checks.database(_settings(gone, tmp_path))
