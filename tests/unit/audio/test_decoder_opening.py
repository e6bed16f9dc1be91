"""The files that a decoder is given are closed here, however its start ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from dictograph.audio import decoder_client
from dictograph.audio.decoder_client import DecodeLimits, decode


def test_files_whose_opening_outlasts_a_cancelled_job_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is slow to answer: a thread cannot be stopped."""
    source = tmp_path / "a.wav"
    source.write_bytes(b"RIFF")
    opening, cancelled = threading.Event(), threading.Event()
    open_now = decoder_client._open

    def open_slowly(source: Path, files: Sequence[Path], descriptors: list[int]) -> None:
        opening.set()
        cancelled.wait(10)
        open_now(source, files, descriptors)

    monkeypatch.setattr(decoder_client, "_open", open_slowly)

    async def test() -> None:
        decoding = asyncio.create_task(anext(decode(source, tmp_path / "a.pcm", DecodeLimits(60, 2**30, 60))))
        await asyncio.to_thread(opening.wait)
        decoding.cancel()
        await asyncio.wait({decoding})
        cancelled.set()
        async with asyncio.timeout(10):
            while not (tmp_path / "a.pcm").exists() or _open_files(tmp_path):
                await asyncio.sleep(0.01)

    asyncio.run(test())


def _open_files(folder: Path) -> list[str]:
    return [file.path for file in psutil.Process().open_files() if Path(file.path).is_relative_to(folder)]
