"""A real file of each kind that is accepted: a second of tone, encoded by ffmpeg."""

from __future__ import annotations

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.media import make_tone

#: Name, how ffmpeg makes it.
_ENCODED: dict[str, list[object]] = {
    "pcm.wav": [],
    "alaw.wav": ["-c:a", "pcm_alaw"],
    "ima.wav": ["-c:a", "adpcm_ima_wav"],
    "ms.wav": ["-c:a", "adpcm_ms"],
    "g722.wav": ["-c:a", "g722"],
    "pcm.w64": [],
    "lame.mp3": [],
    "layer2.mp2": [],
    "a.flac": [],
    "vorbis.ogg": ["-c:a", "libvorbis"],
    "opus.ogg": ["-c:a", "libopus"],
    "speex.ogg": ["-c:a", "libspeex"],
    "flac.ogg": ["-c:a", "flac"],
    "aac.m4a": [],
    "alac.m4a": ["-c:a", "alac"],
    "fast.mp4": ["-movflags", "faststart"],
    "fragments.mp4": ["-movflags", "frag_keyframe+empty_moov+default_base_moof"],
    "adpcm.mov": ["-c:a", "adpcm_ima_qt"],
    "opus.webm": [],
    "aac.mkv": ["-c:a", "aac"],
    "flac.mkv": ["-c:a", "flac"],
    "tta.mkv": ["-c:a", "tta"],
    "wavpack.mkv": ["-c:a", "wavpack"],
    "pcm.mkv": ["-c:a", "pcm_s16le"],
    "truehd.mkv": ["-c:a", "truehd", "-strict", "-2", "-ar", 48_000],
    "dts.mkv": ["-c:a", "dca", "-strict", "-2", "-ar", 48_000],
    "mp2.ts": ["-c:a", "mp2"],
    "aac.ts": ["-c:a", "aac"],
    "opus.ts": ["-c:a", "libopus", "-ar", 48_000],
    "mp2.mpg": ["-f", "mpeg", "-c:a", "mp2"],
    "a.aiff": [],
    "wide.aiff": ["-c:a", "pcm_s24be"],
    "v2.wma": [],
    "v1.wma": ["-c:a", "wmav1"],
    "mp3.avi": ["-c:a", "mp3"],
    "pcm.avi": ["-c:a", "pcm_s16le"],
    "pcm.caf": [],
    "alac.caf": ["-c:a", "alac"],
    "a.au": [],
    "a.aac": ["-f", "adts"],
    "a.latm": ["-f", "latm", "-c:a", "aac"],
    "a.ac3": [],
    "a.eac3": [],
    "mp3.flv": ["-c:a", "mp3", "-ar", 44_100],
    "nellymoser.flv": ["-c:a", "nellymoser", "-ar", 8000],
    "aac.3gp": ["-c:a", "aac"],
}


def make_seed(folder: Path, name: str) -> bytes:
    """The bytes of one of them."""
    return make_tone(folder / name, 1, *_ENCODED[name], rate=16_000).read_bytes()


def make_seeds(folder: Path) -> dict[str, bytes]:
    """All that this ffmpeg can make, and two that no ffmpeg does."""
    with ThreadPoolExecutor(2) as pool:
        made = dict(zip(_ENCODED, pool.map(lambda name: _made(folder, name), _ENCODED), strict=True))
    return {name: data for name, data in made.items() if data} | {"narrow.amr": amr(50), "wide.amr": amr(50, wide=True)}


def amr(frames: int, *, wide: bool = False) -> bytes:
    """An AMR file of 20 ms frames at the highest rate: any bits are speech to it."""
    chance = random.Random(1)
    start, head, size = (b"#!AMR-WB\n", b"\x44", 60) if wide else (b"#!AMR\n", b"\x3c", 31)
    return start + b"".join(head + chance.randbytes(size) for _ in range(frames))


def _made(folder: Path, name: str) -> bytes | None:
    try:
        return make_seed(folder, name)
    except subprocess.CalledProcessError:  # an ffmpeg that was built without this encoder
        return None
