"""Inputs with several audio tracks or legs: a party, a language or a silence in each."""

from __future__ import annotations

from pathlib import Path

from tests.field.sounds import JFK, book, encode, write_full
from tests.media import ffmpeg
from tests.recordings import prompt


def two_parties(folder: Path) -> Path:
    """A call with a track for each party: one is taken, and a warning names the other."""
    other = write_full(folder / "other-party.wav", book())
    target = folder / "two-parties.mov"
    ffmpeg("-i", JFK, "-i", other, "-map", "0:a", "-map", "1:a", "-c:a", "aac", "-ar", 48_000, "-ac", 1, target)
    return target


def two_channels(folder: Path) -> Path:
    """A call with a party on each channel, who speak at the same time: the words of each by themselves."""
    other = write_full(folder / "other-party.wav", book())
    target = folder / "two-channels.wav"
    ffmpeg(
        "-i",
        JFK,
        "-i",
        other,
        "-filter_complex",
        "[0:a]aresample=16000,aformat=channel_layouts=mono,apad[a];[a][1:a]amerge=inputs=2[m]",
        "-map",
        "[m]",
        target,
    )
    return target


def obs(folder: Path) -> Path:
    """A screen recording whose first track, the desktop's, is silent: the microphone's words."""
    target = folder / "obs.mkv"
    silence = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo")
    titles = ("-metadata:s:a:0", "title=Desktop", "-metadata:s:a:1", "title=Mic")
    shape = ("-c:a", "aac", "-b:a", "160k", "-ar", 48_000, "-ac", 2, "-shortest")
    ffmpeg("-i", JFK, *silence, "-map", "1:a", "-map", "0:a", *shape, *titles, target)
    return target


def dub(folder: Path) -> Path:
    """A film in Italian, the default, and in English: the default's words, the other by choice, a warning."""
    target = folder / "dub.mkv"
    languages = ("-metadata:s:a:0", "language=ita", "-metadata:s:a:1", "language=eng")
    default = ("-disposition:a:0", "default", "-disposition:a:1", 0)
    shape = ("-c:a", "ac3", "-ar", 48_000, "-ac", 2)
    inputs = ("-i", prompt("it", "demo-congrats"), "-i", JFK, "-map", "0:a", "-map", "1:a")
    ffmpeg(*inputs, *shape, *languages, *default, target)
    return target


def phase(folder: Path) -> Path:
    """Stereo with one leg inverted, silent when mixed: the words."""
    return encode(folder / "phase.wav", JFK, "-af", "pan=stereo|c0=c0|c1=-1*c0", "-c:a", "pcm_s16le")
