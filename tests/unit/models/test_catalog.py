"""What may be asked for, what is runnable, what is frozen: without network and without engines."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from dictograph.contract import Contract
from dictograph.errors import InvalidOption, ModelNotAllowed, ModelUnavailable, SettingsError
from dictograph.job import FrozenEngine
from dictograph.models.catalog import Catalog, EngineSelection, Pending
from dictograph.models.configured_models import fetched_at_once
from dictograph.models.hf_cache import Cache
from dictograph.settings.model import Settings
from tests.service import TINY

SPHINX = {("sphinx", ""), ("sphinx", "en-us")}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def catalog(tmp_path: Path, **values: Any) -> Catalog:
    return Catalog.from_settings(Settings(**{"models_dir": tmp_path / "models", "device": "cpu", **values}))


def cached(tmp_path: Path, repository: str, commit: str, *, main: bool = True) -> Path:
    """Put the tiny model into the cache under a repository's name."""
    storage = Cache(tmp_path / "models").storage(repository)
    shutil.copytree(TINY, storage / "snapshots" / commit)
    if main:
        (storage / "refs").mkdir(exist_ok=True)
        (storage / "refs" / "main").write_text(commit)
    return storage / "snapshots" / commit


async def prepared(catalog: Catalog) -> None:
    """Run the catalogue until nothing is being looked for."""
    done = asyncio.Event()

    def look() -> None:
        if all(shape["state"] in ("ready", "unavailable") for shape in catalog.describe()):
            done.set()

    task = asyncio.create_task(catalog.prepare(look))
    await asyncio.wait_for(done.wait(), 30)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def chosen(catalog: Catalog, engine: str, model: str | None = None) -> EngineSelection:
    choice = await catalog.choose(engine, model)
    assert isinstance(choice, EngineSelection), choice
    return choice


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (("auto", None), ("auto", "")),
        (("auto", "small"), ("whisper", "small")),
        (("whisper", None), ("whisper", "")),
        (("whisper", "Systran/faster-whisper-base"), ("whisper", "base")),
        (("sphinx", None), ("sphinx", "")),
        (("sphinx", "en-us"), ("sphinx", "en-us")),
        (("digest", None), ("digest", "")),
    ],
)
def test_requests_are_resolved(tmp_path: Path, asked: tuple[str, str | None], answer: tuple[str, str]) -> None:
    offered = catalog(tmp_path, models=["base"], extra_engines={"digest": "tests.engines.digest:DigestEngine"})
    assert offered.resolve(*asked) == answer


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (("parakeet", None), InvalidOption),
        (("sphinx", "small"), InvalidOption),
        (("auto", "en-us"), ModelNotAllowed),
        (("whisper", "large-v3"), ModelNotAllowed),
        (("whisper", str(TINY)), ModelNotAllowed),
        (("whisper", "../../etc"), ModelNotAllowed),
    ],
)
def test_what_is_not_offered_is_refused(tmp_path: Path, asked: tuple[str, str | None], error: type[Exception]) -> None:
    with pytest.raises(error):
        catalog(tmp_path).resolve(*asked)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"engine": "parakeet"}, "DICTOGRAPH_ENGINE"),
        ({"model": "smal"}, "DICTOGRAPH_MODEL:"),
        ({"models": ["a/b/c/../d e"]}, "DICTOGRAPH_MODELS:"),
        ({"extra_engines": {"whisper": "a:b"}}, "DICTOGRAPH_EXTRA_ENGINES"),
        ({"extra_engines": {"mine": "a.b"}}, "DICTOGRAPH_EXTRA_ENGINES"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, values: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        catalog(tmp_path, **values)


def test_a_folder_is_ready_and_its_revision_is_its_content(tmp_path: Path) -> None:
    shutil.copytree(TINY, folder := tmp_path / "model")

    async def story() -> None:
        offered = catalog(tmp_path, model=str(folder))
        await prepared(offered)
        first = await chosen(offered, "auto")
        assert (first.spec.factory, first.spec.model_path) == ("dictograph.engine.whisper.engine:load", str(folder))
        assert (first.spec.device, first.spec.compute_type) == ("cpu", "int8")
        assert await chosen(offered, "whisper", str(folder)) == first
        assert await offered.spec_for(first.frozen) == first.spec

        (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
        second = await chosen(offered, "auto")
        assert second.frozen.revision != first.frozen.revision
        with pytest.raises(ModelUnavailable, match="no longer the one that this job began with"):
            await offered.spec_for(first.frozen)

    asyncio.run(story())


def test_a_folder_without_weights_is_unavailable_and_comes_back(tmp_path: Path) -> None:
    shutil.copytree(TINY, folder := tmp_path / "model")

    async def story() -> None:
        offered = catalog(tmp_path, engine="whisper", model=str(folder))
        task = asyncio.create_task(offered.run())
        await offered.decide("whisper", None)
        (folder / "model.bin").rename(folder / "away.bin")
        assert isinstance(await offered.choose("whisper", None), Pending)
        with pytest.raises(ModelUnavailable, match=r"has no model\.bin"):
            await offered.decide("whisper", None)
        assert ("whisper", "") in offered.runnable()
        (folder / "away.bin").rename(folder / "model.bin")
        while not isinstance(await offered_or_none(offered), EngineSelection):
            await asyncio.sleep(0.05)
        task.cancel()

    async def offered_or_none(offered: Catalog) -> object:
        with suppress(ModelUnavailable):
            return await offered.choose("whisper", None)
        return None

    asyncio.run(asyncio.wait_for(story(), 30))


def test_the_cache_gives_the_exact_commit_and_an_older_one_to_a_job_that_began_with_it(tmp_path: Path) -> None:
    old, new = "a" * 40, "b" * 40
    old_path = cached(tmp_path, "Systran/faster-whisper-small", old, main=False)
    cached(tmp_path, "Systran/faster-whisper-small", new)

    async def story() -> None:
        offered = catalog(tmp_path)
        await prepared(offered)
        assert (await chosen(offered, "auto")).frozen == FrozenEngine("whisper", "small", new)
        spec = await offered.spec_for(FrozenEngine("whisper", "small", old))
        assert (spec.model_path, spec.revision) == (str(old_path), old)
        with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE"):
            await offered.spec_for(FrozenEngine("whisper", "small", "c" * 40))
        with pytest.raises(ModelUnavailable, match="no longer offered"):
            await offered.spec_for(FrozenEngine("whisper", "large-v3", new))

    asyncio.run(story())


def test_sphinx_is_frozen_with_its_release(tmp_path: Path) -> None:
    async def story() -> None:
        offered = catalog(tmp_path)
        choice = await chosen(offered, "sphinx")
        assert choice.frozen == FrozenEngine("sphinx", "en-us", f"pocketsphinx-{version('pocketsphinx')}")
        assert await offered.spec_for(choice.frozen) == choice.spec
        with pytest.raises(ModelUnavailable, match=r"pocketsphinx-0\.1"):
            await offered.spec_for(FrozenEngine("sphinx", "en-us", "pocketsphinx-0.1"))

    asyncio.run(story())


def test_nothing_of_whisper_is_runnable_before_it_is_known(tmp_path: Path) -> None:
    offered = catalog(tmp_path)
    assert offered.runnable() == SPHINX
    assert [shape["state"] for shape in offered.describe()] == ["checking", "ready"]
    assert isinstance(asyncio.run(offered.choose("auto", None)), Pending)


def test_what_is_ready_and_what_has_failed_is_runnable(tmp_path: Path) -> None:
    cached(tmp_path, "Systran/faster-whisper-small", "a" * 40)
    offered = catalog(tmp_path, models=["base"])
    asyncio.run(prepared(offered))
    small = {(engine, name) for engine in ("auto", "whisper") for name in ("small", "Systran/faster-whisper-small")}
    base = {(engine, name) for engine in ("auto", "whisper") for name in ("base", "Systran/faster-whisper-base")}
    assert offered.runnable() == SPHINX | small | base | {("auto", ""), ("whisper", "")}
    with pytest.raises(ModelUnavailable, match="The model base is unavailable: HF_HUB_OFFLINE forbids fetching"):
        asyncio.run(offered.choose("auto", "base"))


def test_auto_is_the_engine_of_the_settings_when_they_name_one(tmp_path: Path) -> None:
    async def story() -> None:
        offered = catalog(tmp_path, engine="sphinx")
        await prepared(offered)
        choice = await chosen(offered, "auto")
        assert (choice.frozen.engine, choice.warnings, offered.notice) == ("sphinx", (), None)
        with pytest.raises(ModelUnavailable, match="models pull small"):
            await offered.choose("whisper", None)
        assert [shape["default"] for shape in offered.describe()] == [False, True]

        strict = catalog(tmp_path, engine="whisper")
        await prepared(strict)
        with pytest.raises(ModelUnavailable):
            await strict.choose("auto", None)

    asyncio.run(story())


def test_sizes_mean_the_repositories_that_they_mean_to_faster_whisper() -> None:
    from faster_whisper.utils import _MODELS

    from dictograph.models.hf_cache import SIZES

    assert dict(SIZES) == _MODELS


MODES = ["tiny", "base", "small", "medium", "large-v3", "turbo"]


def test_each_contract_may_name_its_own_models_and_no_other(tmp_path: Path) -> None:
    offered = catalog(
        tmp_path, gateway_model="tiny", backend_model="distil-small.en", path_model=str(TINY), backend_modes=MODES
    )

    def may(contract: Contract, *models: str) -> list[str]:
        taken = []
        for model in models:
            with suppress(ModelNotAllowed):
                taken.append(offered.resolve("auto", model, contract)[1])
        return taken

    everything = ["small", "tiny", "distil-small.en", str(TINY), "medium", "turbo", "large-v2"]
    assert may(Contract.NATIVE, *everything) == may(Contract.OPENAI, *everything) == ["small"]
    assert may(Contract.GATEWAY, *everything) == ["small", "tiny"]
    assert may(Contract.BACKEND, *everything) == ["small", "tiny", "distil-small.en", "medium", "turbo"]
    assert may(Contract.PATH, *everything) == ["small", str(TINY)]
    assert [shape["id"] for shape in offered.describe()] == ["small", "en-us"]


def test_what_will_not_be_there_is_refused_by_name_but_to_the_contract_whose_own_it_is(tmp_path: Path) -> None:
    """Nobody named a contract's own model: its jobs are taken, and fail by name."""
    offered = catalog(tmp_path, engine="sphinx", models=["base"], gateway_model="base", profile=["gateway"])
    assert offered.resolve("whisper", None) == ("whisper", "")  # it is not known yet
    asyncio.run(prepared(offered))
    for asked in (("whisper", None), ("auto", "small"), ("auto", "base")):
        with pytest.raises(ModelNotAllowed, match="is unavailable here: "):
            offered.resolve(*asked)
    assert offered.resolve("auto", "base", Contract.GATEWAY) == ("whisper", "base")
    with pytest.raises(ModelNotAllowed, match="models pull small"):
        offered.resolve("auto", "small", Contract.GATEWAY)
    assert offered.warnings() == [
        "Jobs of the gateway contract need the model base, which is unavailable: HF_HUB_OFFLINE forbids fetching."
    ]


def test_two_names_for_the_same_weights_are_one_model(tmp_path: Path) -> None:
    offered = catalog(tmp_path, models=["large-v3-turbo"], backend_modes=MODES)
    assert offered.resolve("auto", "turbo", Contract.BACKEND) == ("whisper", "large-v3-turbo")
    assert offered.resolve("auto", "small", Contract.BACKEND) == ("whisper", "small")


def test_a_contracts_model_that_cannot_be_is_told_by_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DICTOGRAPH_GATEWAY_MODEL: There is no Whisper model 'hugeish'"):
        catalog(tmp_path, gateway_model="hugeish")
    with pytest.raises(SettingsError, match="DICTOGRAPH_BACKEND_MODES: There is no Whisper model 'hugeish'"):
        catalog(tmp_path, backend_modes=["base", "hugeish"])


def test_a_mode_whose_weights_are_not_here_is_fetched_when_a_job_needs_it(tmp_path: Path) -> None:
    """It may be claimed; the claim has it looked for, and while that is so it may not; then the job fails by name."""
    cached(tmp_path, "Systran/faster-whisper-base", "b" * 40)

    async def story() -> None:
        offered = catalog(tmp_path, engine="sphinx", backend_modes=["base", "medium"])
        task = asyncio.create_task(offered.run())
        assert (await offered.decide("auto", "base")).frozen == FrozenEngine("whisper", "base", "b" * 40)
        await until(lambda: ("whisper", "medium") in offered.runnable())
        assert isinstance(await offered.choose("whisper", "medium"), Pending)
        assert ("whisper", "medium") not in offered.runnable()
        with pytest.raises(ModelUnavailable, match="The model medium is unavailable: HF_HUB_OFFLINE forbids fetching"):
            await offered.decide("whisper", "medium")
        assert ("whisper", "medium") in offered.runnable()
        cached(tmp_path, "Systran/faster-whisper-medium", "c" * 40)
        assert (await until_chosen(offered, "medium")).frozen.revision == "c" * 40
        task.cancel()

    asyncio.run(asyncio.wait_for(story(), 30))


def test_the_model_of_a_selected_profile_is_fetched_at_once_and_of_another_when_asked(tmp_path: Path) -> None:
    values: dict[str, Any] = {"engine": "sphinx", "gateway_model": "tiny", "path_model": "base", "profile": ["gateway"]}
    assert fetched_at_once(Settings(**values)) == ["tiny"]
    assert fetched_at_once(Settings(**{**values, "engine": "auto", "profile": []})) == ["small"]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def until_chosen(offered: Catalog, model: str) -> EngineSelection:
    while True:
        with suppress(ModelUnavailable):
            if isinstance(choice := await offered.choose("whisper", model), EngineSelection):
                return choice
        await asyncio.sleep(0.05)
