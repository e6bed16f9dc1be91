"""Write corpora of recorded speech, 12 to 19 minutes each, with the true words and times.

`python -m bench.corpora FOLDER SEED` writes all of a seed. A corpus is a language's prompts in random order with pauses
between them; `mix-en` has prompts and read sentences in turn, two voices. The same seed gives the same corpora.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import wave
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.recordings import VOICES, Recordings, folder
from tests.needs import need

RATE = 16_000
MIX = "mix-en"
NAMES = (*VOICES, MIX)

_PAUSE_S = (0.4, 1.2)
_MIX_ROUNDS, _MIX_PROMPTS = 40, 3

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Part:
    """A recording within a corpus: from where to where (s), its words, and who says them."""

    start: float
    end: float
    text: str
    who: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """A sound file of 16 kHz, and its parts in order."""

    name: str
    audio: Path
    parts: tuple[Part, ...]

    @property
    def language(self) -> str:
        return self.name.split("-")[-1]

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.parts)

    @property
    def seconds(self) -> float:
        return self.parts[-1].end


@dataclass(frozen=True, slots=True)
class _Script:
    """What is said in a corpus: file, words, speaker of each part; and the generator that draws the pauses."""

    parts: Sequence[tuple[Path, str, str]]
    chance: random.Random


def write(into: Path, seed: int, recordings: Recordings, names: Sequence[str] = NAMES, most: int = 0) -> list[Corpus]:
    """Write corpora into a folder as NAME.wav and NAME.json; `most` parts of each, all if 0."""
    into.mkdir(parents=True, exist_ok=True)
    return [_write(into, name, _script(recordings, name, seed), most) for name in names]


def telephone(audio: Path, db: float = -20.0) -> Path:
    """Write a file beside this one as a telephone gives it: 8 kHz, µ-law, its level changed by `db`."""
    target = audio.with_name(f"{audio.stem}-telephone.wav")
    shape = ("-af", f"volume={db}dB", "-ac", "1", "-ar", "8000", "-c:a", "pcm_mulaw")
    subprocess.run([need("ffmpeg"), "-nostdin", "-v", "error", "-y", "-i", str(audio), *shape, str(target)], check=True)
    return target


@cache
def sound(path: Path, rate: int = RATE) -> Samples:
    """Return a file's samples: mono, 16 bits."""
    shape = ("-ac", "1", "-ar", str(rate), "-f", "s16le", "-")
    command = [need("ffmpeg"), "-nostdin", "-v", "error", "-i", str(path), *shape]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.int16)


def _script(recordings: Recordings, name: str, seed: int) -> _Script:
    if name == MIX:
        chance = random.Random(seed + 1)
        return _Script(tuple(_mixed(recordings, chance)), chance)
    chance = random.Random(seed)
    parts = [(one.path, one.text, name) for one in recordings.prompts(name)]
    chance.shuffle(parts)
    return _Script(parts, chance)


def _mixed(recordings: Recordings, chance: random.Random) -> Iterator[tuple[Path, str, str]]:
    books, talk = recordings.librivox(), recordings.prompts("en")
    chance.shuffle(talk)
    for turn in range(_MIX_ROUNDS):
        read = books[turn % len(books)]
        yield read.path, read.text, "austen"
        for one in talk[_MIX_PROMPTS * turn : _MIX_PROMPTS * (turn + 1)]:
            yield one.path, one.text, "allison"


def _write(into: Path, name: str, script: _Script, most: int) -> Corpus:
    pieces: list[Samples] = []
    parts: list[Part] = []
    at = 0.0
    for path, text, who in script.parts[: most or None]:
        samples = sound(path)
        parts.append(Part(round(at, 3), round(at + len(samples) / RATE, 3), text, who))
        pause = np.zeros(int(script.chance.uniform(*_PAUSE_S) * RATE), np.int16)
        pieces += [samples, pause]
        at += (len(samples) + len(pause)) / RATE
    audio = into / f"{name}.wav"
    _write_wav(audio, np.concatenate(pieces))
    audio.with_suffix(".json").write_text(json.dumps([asdict(part) for part in parts], ensure_ascii=False, indent=0))
    return Corpus(name, audio, tuple(parts))


def _write_wav(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def main() -> None:
    """Write all corpora of a seed and say how long they are."""
    into, seed = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for corpus in write(into, seed, Recordings(folder())):
        words = len(corpus.text.split())
        print(f"{corpus.name}: {corpus.seconds:.0f} s, {len(corpus.parts)} parts, {words} words")


if __name__ == "__main__":
    main()
