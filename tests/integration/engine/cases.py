"""The engines that the conformance suite is run on. A new engine starts by getting an entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dictograph.engine.protocol import EngineSpec, Window
from tests.speech import say
from tests.voices import flite, noise, recording, silence

TINY = Path(__file__).parents[2] / "fixtures" / "tiny-whisper" / "ct2"


@dataclass(frozen=True)
class Case:
    """An engine, windows of speech that it understands, and what a few words of English become.

    `deaf_to_noise`: whether noise alone gives no text even without the voice detection before it.
    """

    name: str
    spec: EngineSpec
    speech: Callable[[], list[Window]]
    sentence: Callable[[], Window]
    words: str
    deaf_to_noise: bool = True


def _digits() -> list[Window]:
    texts = ["one two three", "seven", "four four nine zero one eight two", "six five"]
    spoken = [say(text) for text in texts]
    pause = silence(1.2)
    return [*(Window(part) for part in spoken), Window(np.concatenate([spoken[0], pause, spoken[2], pause, spoken[3]]))]


def _sentences() -> list[Window]:
    return [
        Window(flite("please send me the last report")),
        Window(flite("good morning", "rms")),
        Window(recording()[: 3 * 16_000]),
    ]


CASES = [
    Case(
        name="whisper",
        spec=EngineSpec("whisper", "dictograph.engine.whisper.engine:load", "tiny-digits", str(TINY), threads=2),
        speech=_digits,
        sentence=lambda: Window(say("three one four")),
        words="three one four",
        deaf_to_noise=False,  # it makes up digits, as larger ones make up thanks for watching
    ),
    Case(
        name="sphinx",
        spec=EngineSpec("sphinx", "dictograph.engine.sphinx:load"),
        speech=_sentences,
        sentence=lambda: Window(flite("good morning", "rms")),
        words="good morning",
    ),
]


def noises() -> list[Window]:
    """A second and a half of every colour, loud and soft."""
    return [
        Window(noise(colour, level, 1.5, seed=3)) for colour in ("white", "pink", "brown") for level in (-60.0, -6.0)
    ]
