"""Whisper as an engine: windows in, segments out, each window by itself.

The model is loaded by faster-whisper and run by CTranslate2; decoding is ours. A batch is decoded
together without time stamps, then the words get their times from the cross-attention and from the
pauses in the sound: measured in `base` size, that costs less than half of decoding with time
stamps. A hypothesis that looks wrong is decoded again, without chance (see `whisper_fallback`).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dictograph.engine.loudness import Loudness, is_empty
from dictograph.engine.memory import AdaptiveBatcher
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
from dictograph.engine.whisper_fallback import DecodeResult, Hypothesis, best
from dictograph.engine.whisper_model import Decoding, Encoded, Model, Speech
from dictograph.engine.whisper_words import refine_times
from dictograph.errors import UnsupportedByEngine
from dictograph.transcript import Segment

#: Nothing shorter is transcribed: no word is so short, and the alignment needs some frames.
SHORTEST_S = 0.1

#: A slice is cut in two only if both parts are long enough to decode.
_SHORTEST_TO_CUT_S = 4.0

#: How many encoded slices, beside those of a batch, are kept until they are decoded.
_REMEMBERED = 8

# These models were never trained to translate, though their vocabulary has the token for it: they transcribe
# instead (model cards of openai/whisper-large-v3-turbo and distil-whisper).
_CANNOT_TRANSLATE = ("turbo", "distil")


@dataclass(frozen=True, slots=True)
class AudioSlice:
    """Some sound as the encoder sees it; `start` in seconds from its window's beginning."""

    samples: Samples
    start: float
    encoded: Encoded
    frames: int


def load(spec: EngineSpec) -> WhisperEngine:
    """Load the converted model in `spec.model_path`. Raises ModelUnavailable."""
    return WhisperEngine(spec)


class WhisperEngine:
    """An engine of the protocol."""

    def __init__(self, spec: EngineSpec) -> None:
        self._model = Model(spec)
        self._name = spec.model or spec.model_path
        self._batches = AdaptiveBatcher(self._model.batch)
        self._remembered: OrderedDict[bytes, tuple[Encoded, int]] = OrderedDict()
        translates = self._model.multilingual and not any(word in self._name.lower() for word in _CANNOT_TRANSLATE)
        self._capabilities = Capabilities(
            languages=self._model.languages,
            tasks=frozenset({"transcribe", "translate"} if translates else {"transcribe"}),
            words=True,
            detects_language=self._model.multilingual,
            prefetch_batch=0 if self._model.on_gpu else self._model.decoders,  # there, windows are encoded together
        )

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities; `max_batch` sinks when a batch does not fit into the memory."""
        return replace(self._capabilities, max_batch=self._batches.most)

    def detect(self, windows: Sequence[Window]) -> list[dict[str, float]]:
        """Return the probability of every language, by code, for each window."""
        if not self._model.multilingual:
            return [dict.fromkeys(self._model.languages, 1.0) for _ in windows]
        return self._batches.run(
            lambda part: self._model.detect([audio.encoded for audio in self._remember(part)]), windows
        )

    def prepare(self, windows: Sequence[Window]) -> None:
        """Encode windows that will soon be transcribed."""
        self._remember([window for window in windows if _audible(window.samples)])

    def transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        """Return a result for each window. Raises UnsupportedByEngine for a language or task that the model lacks."""
        speech = self._speech(options)
        # Chance must not depend on what else is in a batch, nor touch anything beside its window.
        at_most = 1 if options.temperature > 0 else None
        audible = [window for window in windows if _audible(window.samples)]
        results = iter(self._batches.run(lambda part: self._batch(part, speech, options), audible, at_most))
        return [next(results) if _audible(window.samples) else WindowResult() for window in windows]

    def _speech(self, options: WindowOptions) -> Speech:
        capabilities = self._capabilities
        language = options.language or ("en" if not capabilities.detects_language else None)
        if language not in capabilities.languages:
            wanted = f"the language {language!r}" if language else "speech whose language has not been decided"
            raise UnsupportedByEngine(f"The Whisper model {self._name} cannot transcribe {wanted}.")
        if options.task not in capabilities.tasks:
            raise UnsupportedByEngine(f"The Whisper model {self._name} cannot do the task {options.task!r}.")
        return self._model.speech(language, options.task, options.prompt, options.hotwords)

    def _batch(self, windows: Sequence[Window], speech: Speech, options: WindowOptions) -> list[WindowResult]:
        slices = self._slices([window.samples for window in windows])
        if options.temperature > 0:
            hypotheses = self._decode_with_fallback(
                slices, speech, [Decoding(temperature=options.temperature)], cut=False
            )
        else:
            ways = [Decoding(options.beam_size), _strict(options.beam_size)]
            hypotheses = self._decode_with_fallback(slices, speech, ways, cut=True)
        words = self._words(hypotheses, speech)
        return [_result(hypothesis, timed, options) for hypothesis, timed in zip(hypotheses, words, strict=True)]

    def _remember(self, windows: Sequence[Window]) -> list[AudioSlice]:
        """Encode windows that will soon be decoded, and keep that: encoding is half of the work."""
        slices = self._slices([window.samples for window in windows])
        for audio in slices:
            self._remembered[_digest(audio.samples)] = audio.encoded, audio.frames
            if len(self._remembered) > _REMEMBERED + self._model.batch:
                self._remembered.popitem(last=False)
        return slices

    def _slices(self, parts: Sequence[Samples], starts: Sequence[float] = ()) -> list[AudioSlice]:
        known = [self._remembered.pop(_digest(samples), None) if self._remembered else None for samples in parts]
        new = iter(self._encoded([samples for samples, found in zip(parts, known, strict=True) if found is None]))
        encoded = [next(new) if found is None else found for found in known]
        return [
            AudioSlice(samples, start, vectors, frames)
            for samples, start, (vectors, frames) in zip(parts, starts or [0.0] * len(parts), encoded, strict=True)
        ]

    def _encoded(self, parts: Sequence[Samples]) -> list[tuple[Encoded, int]]:
        """Return the encoder's output for each part, and its number of frames with sound."""
        features = [self._model.features(samples) for samples in parts]
        encoded = self._model.encode([mel for mel, _ in features])
        return [(vectors, frames) for vectors, (_, frames) in zip(encoded, features, strict=True)]

    def _decoded(self, slices: Sequence[AudioSlice], speech: Speech, how: Decoding) -> list[Hypothesis[AudioSlice]]:
        if not slices:
            return []
        results = self._model.decode([audio.encoded for audio in slices], speech, how)
        return [Hypothesis(((audio, result),)) for audio, result in zip(slices, results, strict=True)]

    def _decode_with_fallback(
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
            again = self._decoded([slices[index] for index in doubtful], speech, how)
            for index, hypothesis in zip(doubtful, again, strict=True):
                made[index].append(hypothesis)
        kept = [best(hypotheses) for hypotheses in made]
        unfinished = [one.unfinished and hypotheses[0].unfinished for one, hypotheses in zip(kept, made, strict=True)]
        lacking = [more or (cut and not one.good) for more, one in zip(unfinished, kept, strict=True)]
        worth = [n for n, lacks in enumerate(lacking) if lacks and _seconds(slices[n].samples) >= _SHORTEST_TO_CUT_S]
        for n, halves in zip(worth, self._decode_halves([slices[n] for n in worth], speech, ways), strict=True):
            kept[n] = halves if unfinished[n] and not halves.looping else best([*made[n], halves])
        return kept

    def _decode_halves(
        self, slices: Sequence[AudioSlice], speech: Speech, ways: Sequence[Decoding]
    ) -> list[Hypothesis[AudioSlice]]:
        """Decode each slice in two parts: all first ones together, then all second ones, so that no batch grows."""
        cuts = [_cut(audio) for audio in slices]
        halves = [
            self._decode_with_fallback(self._slices(*zip(*side, strict=True)), speech, ways, cut=False)
            for side in zip(*cuts, strict=True)
        ]
        return [first.followed_by(second) for first, second in zip(*halves, strict=True)]

    def _words(self, hypotheses: Sequence[Hypothesis[AudioSlice]], speech: Speech) -> list[list[TimedWord]]:
        """Return the words of each hypothesis, in the time of its window."""
        spoken = [
            (index, audio, result)
            for index, hypothesis in enumerate(hypotheses)
            for audio, result in hypothesis.results
            if result.text and not result.silent
        ]
        words: list[list[TimedWord]] = [[] for _ in hypotheses]
        if not spoken:
            return words
        aligned = self._model.align(
            [audio.encoded for _, audio, _ in spoken],
            [result.tokens for _, _, result in spoken],
            [audio.frames for _, audio, _ in spoken],
            speech,
            at_most=len(hypotheses),  # halves are more than the windows that fit into the memory together
        )
        for (index, audio, _), raw in zip(spoken, aligned, strict=True):
            timed = refine_times(raw, Loudness(audio.samples), _seconds(audio.samples))
            words[index] += [_later(word, audio.start) for word in timed]
        return words


def _strict(beam_size: int) -> Decoding:
    return Decoding(max(beam_size, 5), repetition_penalty=1.2, no_repeat_ngram_size=4)


def _doubtful(hypotheses: Sequence[Hypothesis[AudioSlice]]) -> bool:
    return not any(hypothesis.good for hypothesis in hypotheses)


def _cut(audio: AudioSlice) -> tuple[tuple[Samples, float], tuple[Samples, float]]:
    """Return two parts with their starts, cut at the quietest point of the middle third."""
    duration = _seconds(audio.samples)
    cut = Loudness(audio.samples).quietest(duration / 3, 2 * duration / 3)
    position = round(cut * SAMPLE_RATE)
    return (audio.samples[:position], audio.start), (audio.samples[position:], audio.start + cut)


def _digest(samples: Samples) -> bytes:
    return hashlib.sha256(samples.tobytes()).digest()


def _audible(samples: Samples) -> bool:
    return _seconds(samples) >= SHORTEST_S and not is_empty(samples)


def _seconds(samples: Samples) -> float:
    return len(samples) // (SAMPLE_RATE // 1000) / 1000


def _later(word: TimedWord, seconds: float) -> TimedWord:
    return replace(word, start=round(word.start + seconds, 3), end=round(word.end + seconds, 3))


def _result(hypothesis: Hypothesis[AudioSlice], words: Sequence[TimedWord], options: WindowOptions) -> WindowResult:
    segments = tuple(_segment(part, _result_at(hypothesis, part[0].start), options) for part in group(words))
    return WindowResult(tuple(s for s in segments if s.text), sampled=options.temperature > 0)


def _result_at(hypothesis: Hypothesis[AudioSlice], seconds: float) -> DecodeResult:
    """Return the decoded text of the slice that contains this moment."""
    return [result for audio, result in hypothesis.results if audio.start <= seconds][-1]


def _segment(words: Sequence[TimedWord], result: DecodeResult, options: WindowOptions) -> Segment:
    return Segment(
        start=words[0].start,
        end=words[-1].end,
        text=text_of(words),
        words=tuple(word.as_word() for word in words if word.text.strip()) if options.word_timestamps else (),
        avg_logprob=result.avg_logprob,
        compression_ratio=round(result.compression_ratio, 4),
        no_speech_prob=result.no_speech_prob,
        temperature=options.temperature,
        tokens=tuple(token for word in words for token in word.tokens),
    )
