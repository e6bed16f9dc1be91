"""Inputs of which words were lost: behind music, narrow, compressed, short, repeated, in several languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.field.sounds import (
    FULL_RATE,
    JFK,
    PHONE_RATE,
    Samples,
    book,
    cut,
    encode,
    jfk,
    level,
    pause,
    phone_band,
    sound,
    write_full,
    write_mulaw,
)
from tests.recordings import librivox, music, prompt

#: The eight one-word answers of `short_answers`, by the names of their prompts.
ANSWERS = ("digits/5", "digits/8", "digits/oh", "digits/at", "digits/20", "letters/f", "letters/s", "letters/x")

#: Where the three languages of `languages` change, in order.
LANGUAGES = ("en", "fr", "es")


def telephone_speech() -> Samples:
    """The five sentences as a telephone has them, 8 kHz."""
    return level(phone_band(book(PHONE_RATE), PHONE_RATE), -14)


def call(folder: Path, seconds: float = 60, piece: int = 0, music_db: float = -6) -> Path:
    """A greeting, hold music, then 25 s of telephone speech: its five sentences are in the text."""
    greeting = sound(prompt("en", "vm-review"), PHONE_RATE)
    hold = level(cut(sound(music()[piece], PHONE_RATE), PHONE_RATE, 30, seconds), music_db)
    return write_mulaw(folder / "call.wav", greeting, hold, telephone_speech())


def intro(folder: Path, seconds: float = 45, piece: int = 3, music_db: float = -3) -> Path:
    """Music at full band, then the speech: its first sentence is in the text too."""
    before = level(cut(sound(music()[piece], FULL_RATE), FULL_RATE, 20, seconds), music_db)
    return write_full(folder / "intro.wav", before, jfk())


def jfk_mp3(folder: Path, bit_rate: str = "64k") -> Path:
    """The speech as MP3: "ask not" is there."""
    return encode(folder / f"jfk-{bit_rate}.mp3", JFK, "-b:a", bit_rate)


def jfk_mulaw(folder: Path) -> Path:
    """The speech as 8 kHz µ-law: "ask not" is there."""
    return encode(folder / "jfk-mulaw.wav", JFK, "-ar", PHONE_RATE, "-ac", 1, "-c:a", "pcm_mulaw")


def short_answers(folder: Path, names: Sequence[str] = ANSWERS, gap: float = 3) -> Path:
    """One-word answers with long silences between them, µ-law: as many words as answers."""
    return write_mulaw(folder / "short-answers.wav", *_spaced((prompt("en", name) for name in names), gap))


def nine_times(folder: Path, times: int = 9) -> Path:
    """One sentence again and again: each time is in the text, or what is left out is told."""
    sentence = sound(librivox()[-1].path, FULL_RATE)
    return write_full(folder / "nine-times.wav", *[sentence] * times)


def languages(folder: Path) -> Path:
    """25 s of English, 39 s of French, 39 s of Spanish: each in its own language with `multilingual`."""
    french = [sound(prompt("fr", name), FULL_RATE) for name in ("demo-congrats", "demo-echotest")]
    spanish = sound(prompt("es", "demo-congrats"), FULL_RATE)
    return write_full(folder / "languages.wav", book(), *french, spanish)


def cut_start(folder: Path) -> Path:
    """French numbers, the first from sample 0 on: "un" is there."""
    parts = []
    for number in range(1, 21):
        parts += [sound(prompt("fr", f"digits/{number}"), PHONE_RATE), pause(0.7, PHONE_RATE)]
    return write_mulaw(folder / "cut-start.wav", *parts)


def quiet(folder: Path, db: float = -60) -> Path:
    """The speech at −60 dB, in floating point: the words, or a warning."""
    return encode(folder / "quiet.wav", JFK, "-af", f"volume={db}dB", "-c:a", "pcm_f32le")


def _spaced(files: Iterable[Path], gap: float) -> list[Samples]:
    parts = [pause(gap, PHONE_RATE)]
    for file in files:
        parts += [sound(file, PHONE_RATE), pause(gap, PHONE_RATE)]
    return parts
