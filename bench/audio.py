"""Speech of any length: a recorded sentence, repeated at a quick pace, with pauses of different lengths."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000

_RECORDED = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "jfk.flac"
_BLOCK_S = 60
_BIT_RATE = 48_000
_QUIET = 1600  # of 32,768: the noise of the hall between the words


def speech(path: Path, seconds: float) -> Path:
    """Write an MP3 file of this length, to a minute: the MP3 frames of one minute of speech, repeated."""
    frames = _mp3(minute(), path.with_suffix(".minute.mp3"))
    with path.open("wb") as file:
        for _ in range(max(1, round(seconds / _BLOCK_S))):
            file.write(frames)
    return path


def note(path: Path, seconds: float = 10.0) -> Path:
    """Write a short note of one sentence."""
    path.write_bytes(_mp3(recorded()[: int(seconds * RATE)], path.with_suffix(".note.mp3")))
    return path


def minute() -> NDArray[np.int16]:
    """Return a minute of speech: pauses of 0.5 to 0.8 s between the sentences, shorter ones inside."""
    sentence, pauses = brisk(recorded()), np.random.default_rng(0)
    parts: list[NDArray[np.int16]] = []
    while sum(map(len, parts)) < _BLOCK_S * RATE:
        parts += [sentence, np.zeros(int(pauses.uniform(0.5, 0.8) * RATE), np.int16)]
    return np.concatenate(parts)[: _BLOCK_S * RATE]


def brisk(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the samples without the speaker's long pauses: each pause over 0.6 s is cut to 0.6 s."""
    hop, longest = RATE // 100, 60
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    quiet = np.abs(frames.astype(np.int32)).max(axis=1) < _QUIET
    run, kept = 0, []
    for frame, silent in zip(frames, quiet, strict=True):
        run = run + 1 if silent else 0
        if run <= longest:
            kept.append(frame)
    return np.concatenate(kept)


def recorded() -> NDArray[np.int16]:
    """Return eleven seconds of a public-domain speech, mono at 16 kHz."""
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(_RECORDED)) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def _mp3(samples: NDArray[np.int16], scratch: Path) -> bytes:
    """Return bare MP3 frames of a constant bit rate, without a header that states a length."""
    with av.open(str(scratch), "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE)
        stream.bit_rate = _BIT_RATE
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.rate = RATE
        for part in _resampled(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    data = scratch.read_bytes()
    scratch.unlink()
    return data


def _resampled(frame: av.AudioFrame) -> list[av.AudioFrame]:
    return av.AudioResampler("s16p", "mono", RATE, frame_size=576).resample(frame)
