"""What `dictograph doctor` says of weights: the default model's, and those of the contracts of the profiles."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from dictograph.cli.doctor.audio_checks import models
from dictograph.cli.doctor.findings import Verdict
from dictograph.models.hf_cache import Cache
from dictograph.models.packaged import BASE
from dictograph.settings.model import Settings
from tests.service import TINY


def test_a_contract_whose_model_is_not_here_is_told(tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path, engine="sphinx", profile=["gateway"], gateway_model="tiny")
    verdict, detail, advice = asyncio.run(models(settings))
    assert verdict is Verdict.WARN
    assert detail.startswith("jobs of the gateway contract need tiny, which is not here; the engine sphinx brings")
    assert advice.endswith("`dictograph models pull tiny`.")
    both = settings.model_copy(update={"engine": "auto"})
    verdict, detail, advice = asyncio.run(models(both))
    assert (verdict, "the weights of small are not here" in detail) == (Verdict.WARN, True)
    assert advice.endswith("`dictograph models pull tiny small`.")


def test_base_that_is_here_stands_in_for_a_default_that_is_not(tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path, engine="auto")
    assert "`auto` means sphinx in a service" in asyncio.run(models(settings))[1]
    shutil.copytree(TINY, Cache(tmp_path).storage(BASE.repository) / "snapshots" / "main")
    assert "`auto` means Whisper's base in a service" in asyncio.run(models(settings))[1]


def test_a_model_of_a_contract_that_is_here_or_not_selected_is_fine(tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path, engine="sphinx", profile=["gateway"], gateway_model=str(TINY))
    assert asyncio.run(models(settings))[0] is Verdict.OK
    other = settings.model_copy(update={"gateway_model": "", "path_model": "tiny"})
    assert asyncio.run(models(other))[0] is Verdict.OK
