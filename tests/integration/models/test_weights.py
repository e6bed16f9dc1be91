"""Fetching, resuming, checking: against a hub on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dictograph.errors import InvalidOption, ModelUnavailable
from dictograph.models.hf_cache import Cache
from dictograph.models.inventory import list_models, pull, verify
from dictograph.models.weights import Progress, fetch
from dictograph.settings.model import Settings
from tests.hub import Hub, serving
from tests.service import TINY


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub(TINY)) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "models")


def test_a_model_is_pulled_with_progress_into_the_layout_of_the_hub(hub: Hub, settings: Settings) -> None:
    from huggingface_hub import snapshot_download

    seen: list[Progress] = []
    snapshot = asyncio.run(pull(settings, "small", seen.append))
    total = sum(path.stat().st_size for path in TINY.iterdir())
    assert seen[0] == Progress(0, total)
    assert seen[-1] == Progress(total, total)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert snapshot.revision == hub.commit
    assert {p.name: p.read_bytes() for p in snapshot.path.iterdir()} == {p.name: p.read_bytes() for p in TINY.iterdir()}
    library = snapshot_download(hub.repository, cache_dir=settings.models_dir, local_files_only=True)
    assert Path(library) == snapshot.path


def test_what_is_here_is_not_fetched_again(hub: Hub, settings: Settings) -> None:
    asyncio.run(pull(settings, "small"))
    asyncio.run(pull(settings, "small"))
    assert hub.gets("model.bin") == [""]


def test_a_pull_that_was_killed_goes_on_where_it_stopped(hub: Hub, settings: Settings) -> None:
    hub.pause_at = len(hub.model) // 2

    async def killed() -> None:
        under_way = asyncio.Event()
        task = asyncio.create_task(pull(settings, "small", lambda p: under_way.set() if p.part > 0.4 else None))
        await asyncio.wait_for(under_way.wait(), 60)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(killed())
    hub.go_on.set()
    asyncio.run(pull(settings, "small"))
    first, second = hub.gets("model.bin")
    assert first == ""
    assert int(second.removeprefix("bytes=").removesuffix("-")) > len(hub.model) // 4
    assert {file.verdict for file in asyncio.run(verify(settings, "small")).files} == {"ok"}


def test_a_connection_that_breaks_is_taken_up_again(hub: Hub, settings: Settings) -> None:
    hub.cut_at = 700_000
    asyncio.run(pull(settings, "small"))
    assert hub.gets("model.bin") == ["", "bytes=700000-"]


def test_weights_that_arrive_damaged_are_never_used(hub: Hub, settings: Settings) -> None:
    hub.damaged = True
    with pytest.raises(ModelUnavailable, match=r"model\.bin of Systran/faster-whisper-small arrived damaged"):
        asyncio.run(pull(settings, "small"))
    assert hub.gets("model.bin") == ["", ""]
    assert Cache(settings.models_dir or Path()).snapshot(hub.repository) is None


def test_two_processes_fetch_one_model_once_and_both_see_how_far_it_is(hub: Hub, settings: Settings) -> None:
    hub.pause_at = len(hub.model) // 2

    async def under_way(seen: asyncio.Event) -> None:
        await pull(settings, "small", lambda progress: seen.set() if progress.part > 0.4 else None)

    async def both() -> None:
        tasks = []
        for seen in (asyncio.Event(), asyncio.Event()):
            tasks.append(asyncio.create_task(under_way(seen)))
            await asyncio.wait_for(seen.wait(), 60)
        hub.go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(both())
    assert hub.gets("model.bin") == [""]


def test_verify_finds_a_damaged_file_and_pull_mends_it(hub: Hub, settings: Settings) -> None:
    snapshot = asyncio.run(pull(settings, "small"))
    assert {file.verdict for file in asyncio.run(verify(settings, "small")).files} == {"ok"}
    for name in ("model.bin", "config.json"):
        blob = (snapshot.path / name).resolve()
        content = blob.read_bytes()
        blob.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    with pytest.raises(ModelUnavailable, match=r"config\.json, model\.bin in .* is not what the hub gave"):
        asyncio.run(verify(settings, "small"))
    asyncio.run(pull(settings, "small"))
    assert {file.verdict for file in asyncio.run(verify(settings, "small")).files} == {"ok"}


def test_verify_names_what_a_folder_has_not(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match=r"has no tokenizer\.json, model\.bin, vocabulary\.json"):
        asyncio.run(verify(settings, str(tmp_path / "half")))
    assert {file.verdict for file in asyncio.run(verify(settings, str(TINY))).files} == {"unchecked"}


def test_models_are_listed_offered_ones_first(hub: Hub, settings: Settings) -> None:
    hub.repository = "Systran/faster-whisper-base"
    asyncio.run(pull(settings, "base"))
    offered, other = list_models(settings)
    assert (offered.name, offered.default, offered.snapshot) == ("small", True, None)
    assert (other.name, other.offered) == ("Systran/faster-whisper-base", False)
    assert other.size == sum(path.stat().st_size for path in TINY.iterdir())


def test_a_model_that_the_hub_has_not_is_named(hub: Hub, settings: Settings) -> None:
    with pytest.raises(ModelUnavailable, match="the hub has no model nobody/nothing"):
        asyncio.run(pull(settings, "nobody/nothing"))


def test_a_hub_cannot_name_files_outside_the_cache(hub: Hub, settings: Settings) -> None:
    hub.commit = "../../../outside"
    with pytest.raises(ModelUnavailable, match=r"no checksums .* that can be used"):
        asyncio.run(pull(settings, "small"))
    assert not (settings.models_dir or Path()).exists()


def test_a_private_model_needs_its_token(hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_secret"
    with pytest.raises(ModelUnavailable, match="HF_TOKEN"):
        asyncio.run(pull(settings, "small"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert asyncio.run(pull(settings, "small")).revision == hub.commit


def test_offline_is_offline(hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE forbids fetching"):
        asyncio.run(pull(settings, "small"))
    assert hub.requests == []


def test_a_folder_cannot_be_pulled(settings: Settings) -> None:
    with pytest.raises(InvalidOption, match="is a folder"):
        asyncio.run(pull(settings, str(TINY)))


def test_a_hub_that_says_nothing_is_given_up(hub: Hub, settings: Settings) -> None:
    hub.silent = True

    async def ask() -> None:
        async for _ in fetch("Systran/faster-whisper-small", Cache(settings.models_dir or Path()), patience=0.5):
            raise AssertionError("nothing can be reported")

    with pytest.raises(ModelUnavailable, match=r"did not answer|cannot be reached"):
        asyncio.run(ask())
