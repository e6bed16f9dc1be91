"""PocketSphinx as an engine: English, offline, its model inside its own wheel.

It writes words as they are in its dictionary: lower case, no punctuation. A prompt, hotwords, beam
size and temperature mean nothing to it (`Capabilities.ignored`), so that a job that names them can
still run on it with a warning; another language or a translation is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pocketsphinx import Decoder

from dictograph.engine.loudness import is_empty
from dictograph.engine.protocol import (
    SAMPLE_RATE,
    Capabilities,
    EngineSpec,
    Samples,
    Window,
    WindowOptions,
    WindowResult,
)
from dictograph.engine.segments import TimedWord, group, text_of
from dictograph.errors import UnsupportedByEngine
from dictograph.transcript import Segment

_FRAMES_PER_SECOND: Final = 100
_VARIANT: Final = re.compile(r"\(\d+\)$")  # "the(2)": the second way to say "the"
_NO_WORD: Final = re.compile(r"^[<\[+].*[>\]+]$")  # "<sil>", "[NOISE]", "++um++"


def load(_spec: EngineSpec) -> SphinxEngine:
    """Load the model that ships with PocketSphinx, the only one it has."""
    return SphinxEngine()


class SphinxEngine:
    """An engine of the protocol."""

    capabilities = Capabilities(
        languages=frozenset({"en"}), ignored=frozenset({"prompt", "hotwords", "beam_size", "temperature"})
    )

    def __init__(self) -> None:
        self._decoder = Decoder(loglevel="FATAL")

    def detect(self, windows: Sequence[Window]) -> list[dict[str, float]]:
        """Return English, for certain: it knows no other language."""
        return [{"en": 1.0} for _ in windows]

    def transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        """Return a result for each window. Raises UnsupportedByEngine for all but English transcription."""
        if options.language not in (None, "en"):
            raise UnsupportedByEngine(f"PocketSphinx understands English only, not {options.language!r}.")
        if options.task != "transcribe":
            raise UnsupportedByEngine(f"PocketSphinx cannot do the task {options.task!r}.")
        return [WindowResult(_segments(self._words(window.samples))) for window in windows]

    def _words(self, samples: Samples) -> list[TimedWord]:
        if is_empty(samples):  # it would invent a word in digital silence
            return []
        # Noise estimate and cepstral mean go on from one utterance to the next; only this forgets them.
        self._decoder.reinit()
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return []
        duration = len(samples) // (SAMPLE_RATE // 1000) / 1000
        return [
            TimedWord(
                start=min(part.start_frame / _FRAMES_PER_SECOND, duration),
                end=min((part.end_frame + 1) / _FRAMES_PER_SECOND, duration),
                text=" " + _VARIANT.sub("", part.word),
                probability=round(min(max(float(part.prob), 0.0), 1.0), 4),
            )
            for part in self._decoder.seg()
            if not _NO_WORD.match(part.word)
        ]


def _segments(words: Sequence[TimedWord]) -> tuple[Segment, ...]:
    return tuple(
        Segment(
            start=part[0].start,
            end=part[-1].end,
            text=text_of(part),
            words=tuple(word.as_word() for word in part),
        )
        for part in group(words)
    )
