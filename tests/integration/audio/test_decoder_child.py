"""A decoder process that crashes, hangs, grows or lies: named, in words, and gone."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from dictograph.audio.decoder_client import DecodeLimits, decode
from dictograph.errors import (
    DecodeError,
    DecoderCrashed,
    DecoderOutOfMemory,
    DecoderTimeout,
    StorageUnavailable,
)
from tests.media import decode_file, make_tone
from tests.processes import children

LIMITS = DecodeLimits(max_seconds=60, memory=400 * 2**20, quiet_timeout=20)


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        ("crash", DecoderCrashed, "SIGSEGV"),
        ("grow", DecoderOutOfMemory, "400 MiB"),
        ("fail", DecoderCrashed, "a bug in the decoder"),
        ("nonsense", DecoderCrashed, "understood"),
        ("silence", DecoderCrashed, "without an answer"),
        ("talk", DecoderCrashed, "over the limit"),
        ("send", DecoderCrashed, "over the limit"),
        ("lament", DecoderCrashed, "its error cannot be understood"),
    ],
)
def test_a_decoder_that_misbehaves(tmp_path: Path, behaviour: str, kind: type[DecodeError], words: str) -> None:
    _misbehaves(tmp_path, behaviour, kind, words, LIMITS)


@pytest.mark.parametrize("behaviour", ["hang", "repeat", "crawl"])
def test_a_decoder_that_does_not_get_on(tmp_path: Path, behaviour: str) -> None:
    """Whether it says nothing, always the same, or so little more that it would take years."""
    _misbehaves(tmp_path, behaviour, DecoderTimeout, "no progress", DecodeLimits(60, 2**30, quiet_timeout=2.0))


def test_whoever_takes_long_over_the_news_takes_none_of_the_decoders_time(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("little")
    limits = DecodeLimits(60, 2**30, quiet_timeout=2.0)

    async def listen() -> list[int]:
        told = []
        async for step in decode(tmp_path / "source", tmp_path / "pcm", limits, module="tests.children.bad_decoder"):
            told.append(step.samples)
            await asyncio.sleep(2.3 if step.samples == 160 else 0)
        return told

    assert asyncio.run(listen()) == [0, 160, 320, 320]


def _misbehaves(folder: Path, behaviour: str, kind: type[DecodeError], words: str, limits: DecodeLimits) -> None:
    (folder / "source").write_text(behaviour)
    with pytest.raises(kind) as caught:
        decode_file(folder / "source", folder, limits, module="tests.children.bad_decoder")
    assert words in caught.value.message
    assert caught.value.retryable
    assert not children()


@pytest.mark.parametrize("how", ["cancelled", "left"])
def test_the_process_ends_when_nobody_listens_any_more(tmp_path: Path, how: str) -> None:
    (tmp_path / "source").write_text("hang")
    begun = asyncio.Event()

    async def listen() -> None:
        news = decode(tmp_path / "source", tmp_path / "pcm", LIMITS, module="tests.children.bad_decoder")
        async with contextlib.aclosing(news):
            async for _ in news:
                begun.set()
                if how == "left":
                    return

    async def run() -> None:
        task = asyncio.create_task(listen())
        await begun.wait()
        if how == "cancelled":
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not children()

    asyncio.run(run())


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    source = make_tone(tmp_path / "a.wav", 1)
    with pytest.raises(StorageUnavailable):
        decode_file(tmp_path / "missing.wav", tmp_path)
    with pytest.raises(StorageUnavailable):
        decode_file(source, tmp_path / "no-folder")


def test_an_old_pcm_file_is_replaced(tmp_path: Path) -> None:
    source = make_tone(tmp_path / "a.wav", 1)
    (tmp_path / "a.wav.pcm").write_bytes(b"x" * 10**6)
    assert decode_file(source, tmp_path)[1].size == 16_000
