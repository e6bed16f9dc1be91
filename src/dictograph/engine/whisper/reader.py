"""Read slices of sound with Whisper: decode them, again where the answer looks wrong, and time the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dictograph.engine.loudness import Loudness
from dictograph.engine.segments import TimedWord
from dictograph.engine.whisper.fallback import DecodeResult, Hypothesis, best
from dictograph.engine.whisper.model import Decoding, Model, Speech
from dictograph.engine.whisper.slices import AudioSlice, Slicer, halves
from dictograph.engine.whisper.words import refine_times

#: A slice is cut in two only if both parts are long enough to decode.
_SHORTEST_TO_CUT_S = 4.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The words of a window, with times in seconds from its beginning, and for each the answer that it is from."""

    words: tuple[TimedWord, ...] = ()
    results: tuple[DecodeResult, ...] = ()

    def with_more(self, more: Reading) -> Reading:
        """Return a reading with the words of both, in order of their times."""
        pairs = sorted(
            zip(self.words + more.words, self.results + more.results, strict=True), key=lambda pair: pair[0].start
        )
        return Reading(tuple(word for word, _ in pairs), tuple(result for _, result in pairs))


class Reader:
    """Reads slices in one way after another."""

    def __init__(self, model: Model, slicer: Slicer) -> None:
        self._model = model
        self._slicer = slicer

    def read(
        self, slices: Sequence[AudioSlice], speech: Speech, ways: Sequence[Decoding], *, cut: bool
    ) -> list[Reading]:
        """Return a reading of each slice; `ways` and `cut` are those of `decode`."""
        return self.timed(self.decode(slices, speech, ways, cut=cut), speech)

    def decode_once(self, slices: Sequence[AudioSlice], speech: Speech, how: Decoding) -> list[Hypothesis[AudioSlice]]:
        """Decode each slice in one way."""
        if not slices:
            return []
        results = self._model.decode([audio.encoded for audio in slices], speech, how)
        return [Hypothesis(((audio, result),)) for audio, result in zip(slices, results, strict=True)]

    def decode(
        self, slices: Sequence[AudioSlice], speech: Speech, ways: Sequence[Decoding], *, cut: bool
    ) -> list[Hypothesis[AudioSlice]]:
        """Decode each slice in one way after another until a hypothesis looks right; return the best ones.

        If none looks right and `cut` is set, the slice is decoded in two halves as well. It is decoded only in halves
        where more is said than one answer can hold: where the first, plain way had to stop. A strict way does not
        count, since it may run on only because it must not loop.
        """
        made: list[list[Hypothesis[AudioSlice]]] = [[] for _ in slices]
        for how in ways:
            doubtful = [index for index, hypotheses in enumerate(made) if _doubtful(hypotheses)]
            again = self.decode_once([slices[index] for index in doubtful], speech, how)
            for index, hypothesis in zip(doubtful, again, strict=True):
                made[index].append(hypothesis)
        kept = [best(hypotheses) for hypotheses in made]
        unfinished = [one.unfinished and hypotheses[0].unfinished for one, hypotheses in zip(kept, made, strict=True)]
        lacking = [more or (cut and not one.good) for more, one in zip(unfinished, kept, strict=True)]
        worth = [n for n, lacks in enumerate(lacking) if lacks and slices[n].seconds >= _SHORTEST_TO_CUT_S]
        for n, cuts in zip(worth, self._decode_halves([slices[n] for n in worth], speech, ways), strict=True):
            kept[n] = cuts if unfinished[n] and not cuts.looping else best([*made[n], cuts])
        return kept

    def _decode_halves(
        self, slices: Sequence[AudioSlice], speech: Speech, ways: Sequence[Decoding]
    ) -> list[Hypothesis[AudioSlice]]:
        """Decode each slice in two parts: all first ones together, then all second ones, so that no batch grows."""
        cuts = [halves(audio) for audio in slices]
        parts = [
            self.decode(self._slicer.slices(*zip(*side, strict=True)), speech, ways, cut=False)
            for side in zip(*cuts, strict=True)
        ]
        return [first.followed_by(second) for first, second in zip(*parts, strict=True)]

    def timed(self, hypotheses: Sequence[Hypothesis[AudioSlice]], speech: Speech) -> list[Reading]:
        """Return the words of each hypothesis with their times. What is no speech has none."""
        spoken = [
            (index, audio, result)
            for index, hypothesis in enumerate(hypotheses)
            for audio, result in hypothesis.results
            if result.text and not result.silent
        ]
        readings = [Reading() for _ in hypotheses]
        if not spoken:
            return readings
        aligned = self._model.align(
            [audio.encoded for _, audio, _ in spoken],
            [result.tokens for _, _, result in spoken],
            [audio.frames for _, audio, _ in spoken],
            speech,
            at_most=len(hypotheses),  # halves are more than the windows that fit into the memory together
        )
        for (index, audio, result), raw in zip(spoken, aligned, strict=True):
            timed = refine_times(raw, Loudness(audio.samples), audio.seconds)
            words = tuple(_later(word, audio.start) for word in timed)
            known = readings[index]
            readings[index] = Reading(known.words + words, known.results + (result,) * len(words))
        return readings


def _doubtful(hypotheses: Sequence[Hypothesis[AudioSlice]]) -> bool:
    return not any(hypothesis.good for hypothesis in hypotheses)


def _later(word: TimedWord, seconds: float) -> TimedWord:
    return replace(word, start=round(word.start + seconds, 3), end=round(word.end + seconds, 3))
