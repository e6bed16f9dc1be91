"""`dictograph settings` shows what is in force, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from dictograph.cli.settings import settings as command
from dictograph.cli.text.settings_text import as_text
from dictograph.settings.loading import load
from dictograph.settings.model import Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DICTOGRAPH_DATABASE_URL", "postgresql://me:hunter2@db/x")
    (tmp_path / "dictograph.toml").write_text("max_upload = 1073741824\n")
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_it_is_an_env_file_with_units_and_masked_passwords() -> None:
    lines = CliRunner().invoke(command, []).output.splitlines()
    assert "DICTOGRAPH_DATABASE_URL=postgresql://me:***@db/x" in lines
    assert "DICTOGRAPH_MAX_UPLOAD=1GiB" in lines
    assert "DICTOGRAPH_AUDIO_RETENTION=7d" in lines
    assert len(lines) == len(Settings.model_fields)


@pytest.mark.usefixtures("folder")
def test_explain_says_where_from_and_what_for() -> None:
    output = CliRunner().invoke(command, ["--explain"]).output
    assert "# from: dictograph.toml\nDICTOGRAPH_MAX_UPLOAD=1GiB\n" in output
    assert "# from: environment\nDICTOGRAPH_DATABASE_URL" in output
    assert str(Settings.model_fields["lease"].description) in output


@pytest.mark.usefixtures("folder")
def test_json_has_values_of_their_type() -> None:
    plain = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert (plain["max_upload"], plain["listen"]) == (2**30, ["127.0.0.1:8000"])
    assert "hunter2" not in json.dumps(plain)
    explained = json.loads(CliRunner().invoke(command, ["--json", "--explain"]).output)
    assert explained["max_upload"]["origin"] == "dictograph.toml"


def test_explain_tells_the_names_of_older_systems_and_what_is_not_in_force(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_ID", "openai/whisper-tiny")
    monkeypatch.setenv("API_KEY", "hunter2")
    monkeypatch.setenv("REDIS_HOST", "here")
    (folder / ".env").write_text("OTHER=1\n")
    told = CliRunner().invoke(command, ["--explain", "--profile", "gateway,backend"])
    assert "# from: MODEL_ID in the environment\nDICTOGRAPH_GATEWAY_MODEL=tiny\n" in told.stdout
    assert "# from: profile gateway, backend\nDICTOGRAPH_LISTEN=gateway@127.0.0.1:5000," in told.stdout
    assert "# from: API_KEY in the environment\nDICTOGRAPH_GATEWAY_API_KEY=***\n" in told.stdout
    assert "# from: REDIS_HOST in the environment\nDICTOGRAPH_QUEUE_URL=redis://here:6379/0\n" in told.stdout
    assert "DICTOGRAPH_CELERY_ROUTING_KEY=audio_processing\n" in told.stdout  # no secret
    assert told.stderr == "dictograph: OTHER in .env is no setting of Dictograph, and is ignored.\n"


def test_what_is_shown_can_be_given_back(tmp_path: Path) -> None:
    given = {
        "DICTOGRAPH_LEASE": "90",
        "DICTOGRAPH_RETRY_BASE": "0.25",
        "DICTOGRAPH_ORPHAN_AGE": "3600.5",
        "DICTOGRAPH_MAX_UPLOAD": "123456789",
        "DICTOGRAPH_EXTRA_ENGINES": "a=b:c,d=e:f",
        "DICTOGRAPH_MODELS": "tiny,base",
    }
    first = load(environment=given, folder=tmp_path).settings
    shown = {f"DICTOGRAPH_{name.upper()}": as_text(name, getattr(first, name)) for name in Settings.model_fields}
    assert load(environment=shown, folder=tmp_path / "other").settings == first
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in shown.items()))
    assert {name: value for name, value in dotenv_values(tmp_path / ".env").items() if value} == {
        name: value for name, value in shown.items() if value
    }
