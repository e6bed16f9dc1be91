"""The catalogue while weights come, do not come, or come late: against a hub on loopback."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dictograph.errors import ModelUnavailable
from dictograph.models import managed_model
from dictograph.models.catalog import Catalog, EngineSelection, Pending
from dictograph.settings.model import Settings
from tests.hub import Hub, serving
from tests.service import TINY


@pytest.fixture(autouse=True)
def plain_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def catalog(tmp_path: Path, **values: Any) -> Catalog:
    return Catalog.from_settings(Settings(models_dir=tmp_path / "models", device="cpu", **values))


@asynccontextmanager
async def running(catalog: Catalog) -> AsyncIterator[Callable[[Callable[[], bool]], Any]]:
    """Run the catalogue; gives a function that waits for a condition over its changes."""
    change = asyncio.Condition()

    async def tell() -> None:
        async with change:
            change.notify_all()

    tellers: set[asyncio.Task[None]] = set()
    task = asyncio.create_task(catalog.prepare(lambda: tellers.add(asyncio.create_task(tell()))))

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), change:
            await change.wait_for(condition)

    yield until
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await asyncio.gather(*tellers)


def test_slow_weights_are_waited_for_with_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(hub: Hub) -> None:
        offered = catalog(tmp_path)

        def small() -> dict[str, Any]:
            return offered.describe()[0]

        async with running(offered) as until:
            await until(lambda: (small()["progress"] or 0) > 0.4)
            assert small() | {"progress": None} == {
                "id": "small",
                "engine": "whisper",
                "default": True,
                "state": "fetching",
                "progress": None,
                "reason": None,
                "languages": None,
            }
            assert small()["progress"] < 1
            waiting = await offered.choose("auto", None)
            assert isinstance(waiting, Pending)
            assert "being fetched" in waiting.reason
            assert not {("auto", ""), ("whisper", ""), ("whisper", "small")} & offered.runnable()
            hub.go_on.set()
            choice = await asyncio.wait_for(offered.decide("auto", None), 60)
            assert choice.frozen.revision == hub.commit
            assert (choice.frozen.engine, choice.frozen.model, choice.warnings) == ("whisper", "small", ())
            assert {("auto", ""), ("whisper", ""), ("whisper", "small")} <= offered.runnable()

    with serving(Hub(TINY, pause_at=900_000)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        asyncio.run(story(hub))


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "is silent"])
def test_auto_means_sphinx_when_the_hub_is_out_of_reach_and_a_person_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, silent: bool
) -> None:
    async def story() -> None:
        offered = catalog(tmp_path)
        async with running(offered):
            began = time.monotonic()
            choice = await asyncio.wait_for(offered.decide("auto", None), 60)
            took = time.monotonic() - began
            assert choice.frozen.engine == "sphinx"
            assert [warning.code for warning in choice.warnings] == ["engine_fallback"]
            assert "Whisper model small is unavailable" in choice.warnings[0].message
            assert offered.notice == choice.warnings[0].message
            assert [(s["id"], s["default"]) for s in offered.describe()] == [("small", False), ("en-us", True)]
            with pytest.raises(ModelUnavailable, match="The model small is unavailable"):
                await offered.choose("whisper", None)
            with pytest.raises(ModelUnavailable):
                await offered.choose("auto", "small")
            # Their jobs wait, since that may pass; but not for ever.
            assert {("whisper", ""), ("whisper", "small"), ("auto", "small")} & offered.runnable() == set()
            assert ("auto", "") in offered.runnable()
            monkeypatch.setattr(managed_model, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 600))
            assert {("auto", ""), ("whisper", ""), ("auto", "small")} <= offered.runnable()
        # Five seconds for the hub; the rest is for starting a process on a machine that does other work.
        assert took < 5 + 10

    with serving(Hub(TINY, silent=silent)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url if silent else "http://127.0.0.1:9")
        with caplog.at_level(logging.WARNING, logger="dictograph"):
            asyncio.run(story())
    assert "Transcribing with sphinx, which knows only English" in caplog.text


def test_weights_that_could_not_be_fetched_are_fetched_when_the_hub_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(hub: Hub) -> None:
        offered = catalog(tmp_path)
        async with running(offered) as until:
            await until(lambda: offered.describe()[0]["state"] == "unavailable")
            hub.repository = "Systran/faster-whisper-small"
            await until(lambda: offered.describe()[0]["state"] == "ready")
            choice = await offered.choose("auto", None)
            assert isinstance(choice, EngineSelection)
            assert choice.frozen.engine == "whisper"
            assert offered.notice is None

    with serving(Hub(TINY, repository="nobody/yet")) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        asyncio.run(story(hub))


def test_a_job_gets_the_revision_it_began_with_even_if_it_must_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(hub: Hub) -> None:
        offered = catalog(tmp_path)
        async with running(offered):
            frozen = (await asyncio.wait_for(offered.decide("auto", None), 60)).frozen
            storage = tmp_path / "models" / "models--Systran--faster-whisper-small"
            (storage / "snapshots" / hub.commit).rename(storage / "snapshots" / ("d" * 40))
            (storage / "refs" / "main").write_text("d" * 40)
            assert (await offered.choose("auto", None)).frozen.revision == "d" * 40  # type: ignore[union-attr]
            spec = await offered.spec_for(frozen)
            assert spec.revision == hub.commit
            assert (Path(spec.model_path) / "model.bin").read_bytes() == hub.model
            assert (storage / "refs" / "main").read_text() == "d" * 40

    with serving(Hub(TINY)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        asyncio.run(story(hub))
