"""Inputs without a word in them: hold music, dial tone, dialled numbers, ringing. Their text is empty."""

from __future__ import annotations

from pathlib import Path

from tests.audio_files import write_wav
from tests.field.sounds import PHONE_RATE, cut, encode, sound
from tests.media import ffmpeg
from tests.recordings import music

_PLACES = "0.2*(sin(2*PI*(697+73*mod(floor(t*4),4))*t)+sin(2*PI*(1209+127*mod(floor(t*4),3))*t))*lt(mod(t,0.25),0.15)"

#: Sounds of a telephone line as FFmpeg's `aevalsrc` makes them, by name.
SIGNALS = {
    "dial": "0.25*sin(2*PI*440*t)",
    "dtmf": _PLACES,
    "ring": "0.2*(sin(2*PI*440*t)+sin(2*PI*480*t))*lt(mod(t,6),2)",
}


def hold(folder: Path, seconds: float = 120, piece: int = 3) -> Path:
    """Hold music."""
    return write_wav(folder / "hold.wav", cut(sound(music()[piece], PHONE_RATE), PHONE_RATE, 0, seconds), PHONE_RATE)


def signal(folder: Path, name: str, seconds: float = 6) -> Path:
    """One of SIGNALS, 8 kHz."""
    target = folder / f"{name}.wav"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc='{SIGNALS[name]}':s={PHONE_RATE}:d={seconds}", target)
    return target


def signals(folder: Path) -> Path:
    """A dial tone, then a number that is dialled."""
    dial, dialled = signal(folder, "dial", 4), signal(folder, "dtmf")
    return encode(folder / "signals.wav", dial, "-i", dialled, "-filter_complex", "concat=n=2:v=0:a=1")
