"""Audio on its way to windows, when its parts do not keep step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dictograph.audio.decoder_client import DecodeLimits, DecodeProgress
from dictograph.audio.pcm import Mixed
from dictograph.audio.vad_client import VadClient, VadState
from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.errors import CorruptAudio
from dictograph.job import Options
from dictograph.worker import audio_pipeline
from dictograph.worker.audio_pipeline import AudioPipeline

_SECONDS = 40


class _Decoder:
    """Gives some audio, and fails while that is being listened to."""

    def __init__(self) -> None:
        self.listening = asyncio.Event()
        self.failed = asyncio.Event()

    async def decode(self, *_: object, **__: object) -> AsyncGenerator[DecodeProgress, None]:
        yield DecodeProgress(_SECONDS * SAMPLE_RATE)
        await self.listening.wait()
        self.failed.set()
        raise CorruptAudio("Nothing more can be read.")


class _SlowListener(VadClient):
    """Answers only when the decoder has ended."""

    def __init__(self, decoder: _Decoder) -> None:
        super().__init__()
        self._decoder = decoder

    async def probabilities(
        self, pcm: Path | Mixed, first_block: int, blocks: int, state: VadState | None
    ) -> tuple[NDArray[np.float32], VadState]:
        del pcm, first_block
        self._decoder.listening.set()
        await self._decoder.failed.wait()
        for _ in range(10):  # and its task is over
            await asyncio.sleep(0)
        return np.zeros(blocks, np.float32), state or VadState.fresh()


def test_a_decoder_that_fails_while_its_audio_is_listened_to_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pcm = tmp_path / "audio.pcm"
    pcm.write_bytes(bytes(2 * _SECONDS * SAMPLE_RATE))

    async def run() -> None:
        decoder = _Decoder()
        monkeypatch.setattr(audio_pipeline, "decode", decoder.decode)
        one = AudioPipeline(
            tmp_path, pcm, Options.model_validate({}), DecodeLimits(3600, 2**30, 60), _SlowListener(decoder)
        )
        async with asyncio.timeout(10):
            async for _ in one.windows():
                pass

    with pytest.raises(CorruptAudio, match="Nothing more"):
        asyncio.run(run())
