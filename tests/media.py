"""Media files for tests, made with ffmpeg, and what the decoder makes of them."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dictograph.audio import pcm
from dictograph.audio.decoder_client import Decoded, DecodeLimits, DecodeProgress, decode
from dictograph.transcript import JobWarning
from tests.needs import need

RATE = 16_000
LIMITS = DecodeLimits(max_seconds=3600, memory=2**30, quiet_timeout=60)


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; its last argument is usually the file to make."""
    command = [need("ffmpeg"), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def tone(seconds: float, frequency: float = 440, rate: int = 44_100) -> list[object]:
    """Arguments of an input: a mono sine with an amplitude of one eighth."""
    return ["-f", "lavfi", "-i", f"sine=frequency={frequency}:sample_rate={rate}:duration={seconds}"]


def make_tone(file: Path, seconds: float, *arguments: object, frequency: float = 440, rate: int = 44_100) -> Path:
    """A file with a tone, encoded as its ending and the arguments say."""
    ffmpeg(*tone(seconds, frequency, rate), *arguments, file)
    return file


def decode_file(
    source: Path, folder: Path, limits: DecodeLimits = LIMITS, module: str | None = None, name: str = ""
) -> tuple[Decoded, NDArray[np.int16]]:
    """The decoder's summary and all samples."""
    news, samples = follow(source, folder, limits, module, name)
    assert isinstance(news[-1], Decoded)
    return news[-1], samples


def follow(
    source: Path, folder: Path, limits: DecodeLimits = LIMITS, module: str | None = None, name: str = ""
) -> tuple[list[Decoded | DecodeProgress], NDArray[np.int16]]:
    """Everything that the decoder tells, and all samples. At each news the file holds what was told."""
    target = folder / f"{source.name}.pcm"
    extra: dict[str, Any] = {} if module is None else {"module": module}

    async def run() -> list[Decoded | DecodeProgress]:
        news = []
        async for item in decode(source, target, limits, name=name, **extra):
            assert target.stat().st_size >= item.samples * pcm.SAMPLE_BYTES
            news.append(item)
        return news

    news = asyncio.run(run())
    assert target.stat().st_size == news[-1].samples * pcm.SAMPLE_BYTES
    return news, pcm.read(target, 0, news[-1].samples)


def span(notice: JobWarning) -> tuple[float, float]:
    """Return from where to where a warning of the decoder counts, in seconds of the original."""
    assert notice.start is not None
    assert notice.end is not None
    return notice.start, notice.end


def seconds_of(packet: av.Packet[Any]) -> float:
    """Return when a packet begins, in seconds."""
    assert packet.pts is not None
    return float(packet.pts * packet.time_base)


def loudness(samples: NDArray[np.int16], start: float, end: float) -> float:
    """Root mean square of a stretch, given in seconds, of full scale 32768."""
    part = samples[round(start * RATE) : round(end * RATE)].astype(np.float64)
    return float(np.sqrt(np.mean(part**2))) if part.size else 0.0


def pitch(samples: NDArray[np.int16], start: float, end: float) -> float:
    """The loudest frequency of a stretch, in Hz."""
    part = samples[round(start * RATE) : round(end * RATE)].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(part * np.hanning(part.size)))
    return float(np.argmax(spectrum) * RATE / part.size)


def onset(samples: NDArray[np.int16], threshold: int = 800) -> float:
    """When the first loud sample comes, in seconds."""
    return float(np.argmax(np.abs(samples.astype(np.int32)) > threshold)) / RATE
