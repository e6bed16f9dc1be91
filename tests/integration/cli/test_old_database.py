"""The database that an old backend's file names is the one that is used."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from dictograph.cli.db import db
from tests.postgres import Cluster
from tests.service import ask


def test_the_file_of_the_old_backend_leads_to_its_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Cluster
) -> None:
    url = postgres.new_database()
    parts = urlsplit(url)
    (tmp_path / "config.ini").write_text(
        f"[database]\nhost = {parts.hostname} # here\nport = {parts.port}\nuser = {parts.username}\n"
        f"password = OLD_PASSWORD_ENV\ndatabase = {parts.path.lstrip('/')}\nref_table = transcription_job\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLD_PASSWORD_ENV", parts.password or "")
    monkeypatch.setenv("DICTOGRAPH_DATA_DIR", str(tmp_path / "data"))
    told = CliRunner().invoke(db, ["upgrade", "--profile", "backend"])
    assert told.exit_code == 0, told.output
    assert ":***@" in told.output
    assert ask(url, "SELECT count(*) FROM transcription_job") == [(0,)]
    assert not (tmp_path / "data" / "dictograph.db").exists()
    monkeypatch.delenv("OLD_PASSWORD_ENV")
    assert "OLD_PASSWORD_ENV, which is not set" in str(
        CliRunner().invoke(db, ["upgrade", "--profile", "backend"]).exception
    )
