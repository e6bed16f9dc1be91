"""What is generated from the settings is what the settings say now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dotenv import dotenv_values

from dictograph.settings.loading import load
from dictograph.settings.model import Settings, variable
from dictograph.settings.profiles.selection import PROFILES

ROOT = Path(__file__).parents[2]


def test_the_settings_page_and_the_example_are_current() -> None:
    check = subprocess.run(
        [sys.executable, "scripts/settings_page.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


def test_the_tables_of_older_systems_are_current_and_name_all_there_is() -> None:
    check = subprocess.run(
        [sys.executable, "scripts/migration_page.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr
    page = (ROOT / "docs/migration.md").read_text()
    for profile in PROFILES.values():
        assert [alias.name for alias in profile.aliases if f"| `{alias.shown}` |" not in page] == []
        assert [name for name in profile.defaults if f"| `{variable(name)}` |" not in page] == []


def test_the_tables_of_formats_and_options_are_current() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "scripts.reference_tables", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_the_page_names_every_setting() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert [name for name in Settings.model_fields if f"### `{variable(name)}`" not in page] == []


def test_every_line_of_the_example_can_be_taken_as_it_is(tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    taken = [line.removeprefix("#") if line.startswith("#DICTOGRAPH_") else line for line in lines]
    (tmp_path / ".env").write_text("\n".join(taken))
    assert len(dotenv_values(tmp_path / ".env")) == len(Settings.model_fields) - 1  # the crash points are for tests
    assert load(environment={}, folder=tmp_path).settings == load(environment={}, folder=tmp_path / "none").settings
