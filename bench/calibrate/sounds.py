"""What is heard in a calibration: words by themselves, speech behind music, and half an hour in which nobody speaks."""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.corpora import sound
from bench.recordings import Recordings
from tests.field.silent import SIGNALS, signal
from tests.field.sounds import FULL_RATE, PHONE_RATE, book, level, pause, phone_band, write_mulaw
from tests.voices import JFK, noise

Samples = NDArray[np.int16]

#: Silence before and after a word that is heard by itself, in seconds.
MARGIN_S = 2.0

#: The levels of the speech against the music before it, in dB.
RELATIVE_DB = (-14, -7, 0, 6)

_LOUD_DBFS = -20.0
#: Where in a piece the music begins: behind its own beginning.
_FROM_S = 8
_WORD_LANGUAGES = ("en", "fr", "ru")
_SIGNAL_S = 90.0
_NOISES = (("white", -12), ("pink", -20), ("brown", -30), ("pink", -50), ("white", -70))
_HALF_HOUR_S = 1800


@dataclass(frozen=True, slots=True)
class Behind:
    """Speech with music before it: both at 16 kHz."""

    name: str
    music: Samples
    speech: Samples


def line(samples: Samples) -> Samples:
    """Return samples of 8 kHz as they come from a telephone exchange (µ-law), at 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        return sound(write_mulaw(Path(folder) / "line.wav", samples), FULL_RATE)


@cache
def words(recordings: Recordings, db: float = 0.0) -> list[Samples]:
    """Return each prompt of one word between two silences, from the telephone, louder or quieter by `db`."""
    spoken = [
        level(_recorded(one.path), db) for language in _WORD_LANGUAGES for one in recordings.single_words(language)
    ]
    margin = pause(MARGIN_S, PHONE_RATE)
    joined = line(np.concatenate([margin, *(part for word in spoken for part in (word, margin))]))
    return list(_parts(joined, [2 * len(word) for word in spoken], 2 * len(margin)))


def early(words: Sequence[Samples]) -> list[Samples]:
    """Return the words with no silence before them."""
    return [word[int(MARGIN_S * FULL_RATE) :] for word in words]


def behind(recordings: Recordings, seconds: Sequence[int] = (10, 30, 60)) -> Iterator[Behind]:
    """Yield speech behind each piece of music, at full band and by telephone, at several levels."""
    for name, way in (("full band", _plain), ("telephone", _telephone)):
        speech = way(book())
        for piece in recordings.music():
            before = way(sound(piece, FULL_RATE)[_FROM_S * FULL_RATE :])
            for longest in seconds:
                music = before[: longest * FULL_RATE]
                for db in RELATIVE_DB:
                    quieter = min(db, 0)
                    yield Behind(
                        f"{piece.stem}, {longest} s, {name}, {db} dB",
                        loud(music, _LOUD_DBFS + quieter - db),
                        loud(speech, _LOUD_DBFS + quieter),
                    )


@cache
def unsaid(recordings: Recordings) -> list[Samples]:
    """Return half an hour of hold music, signals and noise, by telephone."""
    with tempfile.TemporaryDirectory() as folder:
        signals = [sound(signal(Path(folder), name, _SIGNAL_S), FULL_RATE) for name in SIGNALS]
    noises = [noise(colour, db, _SIGNAL_S, seed=1) for colour, db in _NOISES]
    music_s = _HALF_HOUR_S - _SIGNAL_S * (len(signals) + len(noises))
    pieces = [_telephone(loud(sound(piece, FULL_RATE), _LOUD_DBFS)) for piece in recordings.music()]
    return [*signals, *noises, *_shortened(pieces, int(music_s * FULL_RATE))]


def quiet(db: float) -> Samples:
    """Return a speech of 11 s, quieter by `db`."""
    return level(sound(JFK, FULL_RATE), db)


def loud(samples: Samples, dbfs: float) -> Samples:
    """Return the samples with this root mean square over the parts that are not silent."""
    power = np.mean(samples[: len(samples) // 480 * 480].reshape(-1, 480).astype(float) ** 2, axis=1)
    now = 10 * np.log10(np.mean(power[power > power.max() / 1000]) / 32768**2)
    return level(samples, dbfs - float(now))


def _recorded(path: Path) -> Samples:
    """Read a prompt, which is a WAV file of 8 kHz: a process for each would take minutes."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == PHONE_RATE
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def _plain(samples: Samples) -> Samples:
    return samples


def _telephone(samples: Samples) -> Samples:
    return line(phone_band(samples, FULL_RATE)[::2])


def _parts(joined: Samples, lengths: Sequence[int], margin: int) -> Iterator[Samples]:
    at = 0
    for length in lengths:
        yield joined[at : at + 2 * margin + length]
        at += margin + length


def _shortened(pieces: Sequence[Samples], total: int) -> list[Samples]:
    """Cut the pieces to a common longest length, so that they have `total` samples together, if they have as many."""
    return [piece[: _common(sorted(map(len, pieces)), total)] for piece in pieces]


def _common(lengths: Sequence[int], total: int) -> int:
    for index, length in enumerate(lengths):
        rest = len(lengths) - index
        if length * rest >= total:
            return total // rest
        total -= length
    return lengths[-1]
