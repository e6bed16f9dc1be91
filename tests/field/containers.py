"""Formats of studios, exchanges and radios: the speech is in each, and there is no false alarm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.field.sounds import JFK, book, encode, write_full
from tests.media import ffmpeg


def broadcast(folder: Path) -> Path:
    """MXF with MPEG-2 pictures and PCM, as cameras and studios write it."""
    target = folder / "broadcast.mxf"
    pictures = ("-f", "lavfi", "-i", "color=c=black:s=720x576:r=25")
    shape = ("-c:v", "mpeg2video", "-b:v", "2M", "-c:a", "pcm_s16le", "-ar", 48_000)
    ffmpeg(*pictures, "-i", JFK, "-shortest", *shape, target)
    return target


def wavpack(folder: Path) -> Path:
    return encode(folder / "jfk.wv", JFK, "-c:a", "wavpack")


def tta(folder: Path) -> Path:
    return encode(folder / "jfk.tta", JFK, "-c:a", "tta")


def dts(folder: Path) -> Path:
    return encode(folder / "jfk.dts", JFK, "-strict", -2, "-c:a", "dca", "-ar", 48_000, "-ac", 2)


def voc(folder: Path) -> Path:
    return encode(folder / "jfk.voc", JFK, "-ar", 8000, "-ac", 1)


def gsm(folder: Path) -> Path:
    """Bare frames of 33 bytes, without any header."""
    return encode(folder / "jfk.gsm", JFK, "-c:a", "libgsm", "-ar", 8000, "-ac", 1)


def wav49(folder: Path) -> Path:
    """A WAV file with Microsoft's GSM, as Asterisk's voicemail writes it."""
    return encode(folder / "wav49.wav", JFK, "-c:a", "libgsm_ms", "-ar", 8000, "-ac", 1)


def chained_ogg(folder: Path) -> Path:
    """Two Ogg streams of different rates and channels, one behind the other: the words of both."""
    reading = write_full(folder / "reading.wav", book())
    first = encode(folder / "1.ogg", JFK, "-c:a", "libvorbis", "-ar", 44_100, "-ac", 2)
    second = encode(folder / "2.ogg", reading, "-c:a", "libvorbis", "-ar", 22_050, "-ac", 1)
    target = folder / "chained.ogg"
    target.write_bytes(first.read_bytes() + second.read_bytes())
    return target


#: Each format with the speech of `tests.voices.JFK` in it.
WITH_JFK: Mapping[str, Callable[[Path], Path]] = {
    "mxf": broadcast,
    "wv": wavpack,
    "tta": tta,
    "dts": dts,
    "voc": voc,
    "gsm": gsm,
    "wav49": wav49,
}
