"""Whisper as an engine: windows in, segments out, each window by itself.

The model is loaded by faster-whisper and run by CTranslate2; decoding is ours. A batch is decoded
together without time stamps, then the words get their times from the cross-attention and from the
pauses in the sound. A hypothesis that looks wrong is decoded again, without chance (see
`fallback`); speech for which there are no words is read again (see `second_reading`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dictograph.engine.memory import AdaptiveBatcher
from dictograph.engine.parallel_decoder import ParallelDecoder
from dictograph.engine.protocol import (
    Capabilities,
    EngineSpec,
    Window,
    WindowOptions,
    WindowResult,
)
from dictograph.engine.segments import TimedWord, group, text_of
from dictograph.engine.whisper.echo import echoes
from dictograph.engine.whisper.fallback import DecodeResult
from dictograph.engine.whisper.invented import spoken_only
from dictograph.engine.whisper.languages import candidates_of, each_in_its_own, most_probable, with_language
from dictograph.engine.whisper.model import Decoding, Model, Speech
from dictograph.engine.whisper.reader import Reader, Reading
from dictograph.engine.whisper.second_reading import SecondReading
from dictograph.engine.whisper.slices import AudioSlice, Slicer, audible
from dictograph.errors import UnsupportedByEngine
from dictograph.transcript import Segment

#: A mean log-probability below which words behind a prompt are checked without it.
_UNSURE_LOGPROB = -0.6

# These models were never trained to translate, though their vocabulary has the token for it: they transcribe
# instead (model cards of openai/whisper-large-v3-turbo and distil-whisper).
_CANNOT_TRANSLATE = ("turbo", "distil")


def load(spec: EngineSpec) -> WhisperEngine:
    """Load the converted model in `spec.model_path`. Raises ModelUnavailable."""
    return WhisperEngine(spec)


class WhisperEngine:
    """An engine of the protocol."""

    def __init__(self, spec: EngineSpec) -> None:
        self._model = Model(spec)
        self._name = spec.model or spec.model_path
        self._batches = AdaptiveBatcher(self._model.batch)
        self._decoders = ParallelDecoder(self._model.decoders)
        self._slicer = Slicer(self._model)
        self._reader = Reader(self._model, self._slicer)
        self._second_reading = SecondReading(self._reader, self._slicer)
        translates = self._model.multilingual and not any(word in self._name.lower() for word in _CANNOT_TRANSLATE)
        self._capabilities = Capabilities(
            languages=self._model.languages,
            tasks=frozenset({"transcribe", "translate"} if translates else {"transcribe"}),
            words=True,
            detects_language=self._model.multilingual,
            multilingual=self._model.multilingual,
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
        return self._batches.run(lambda batch: self._decoders.run(self._detect, batch), windows)

    def prepare(self, windows: Sequence[Window]) -> None:
        """Encode windows that will soon be transcribed."""
        self._decoders.run(self._slicer.prepare, [window for window in windows if audible(window.samples)])

    def transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        """Return a result for each window. Raises UnsupportedByEngine for a language or task that the model lacks.

        Each says which language was heard in its window, and with `multilingual` was read in that one. Each decoder
        takes its share of a batch from the sound to the words: none waits for another in between.
        """
        with_sound = [window for window in windows if audible(window.samples)]
        # Chance must not depend on what else is in a batch, nor touch anything beside its window.
        at_most = 1 if options.temperature > 0 else None
        read = self._batches.run(
            lambda batch: self._decoders.run(lambda share: self._transcribe(share, options), batch), with_sound, at_most
        )
        results = iter(read)
        return [next(results) if audible(window.samples) else WindowResult() for window in windows]

    def _detect(self, windows: Sequence[Window]) -> list[dict[str, float]]:
        """Return the probability of every language for each window. Their encodings are kept."""
        return self._model.detect([audio.encoded for audio in self._slicer.prepare(windows)])

    def _transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        """Return a result for each window, all of which have sound."""
        if not self._model.multilingual:  # it knows one language
            return self._read(windows, options)
        among = candidates_of(options) if options.multilingual else ()
        heard = [most_probable(probabilities, among) for probabilities in self._detect(windows)]
        read = (
            each_in_its_own(windows, heard, options, self._read)
            if options.multilingual
            else self._read(windows, options)
        )
        return list(map(with_language, read, heard))

    def _speech(self, options: WindowOptions) -> Speech:
        capabilities = self._capabilities
        named = options.language if isinstance(options.language, str) else None
        language = named or ("en" if not capabilities.detects_language else None)
        if language not in capabilities.languages:
            wanted = f"the language {language!r}" if language else "speech whose language has not been decided"
            raise UnsupportedByEngine(f"The Whisper model {self._name} cannot transcribe {wanted}.")
        if options.task not in capabilities.tasks:
            raise UnsupportedByEngine(f"The Whisper model {self._name} cannot do the task {options.task!r}.")
        return self._model.speech(language, options.task, options.prompt, options.hotwords)

    def _read(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        """Return a result for each window, all of which are read in one language."""
        speech = self._speech(options)
        slices = self._slicer.slices([window.samples for window in windows])
        if options.temperature > 0:
            readings = self._reader.read(slices, speech, [Decoding(temperature=options.temperature)], cut=False)
        else:
            ways = [Decoding(options.beam_size), _strict(options.beam_size)]
            first = self._reader.read(slices, speech, ways, cut=True)
            own = self._own_words(slices, first, options, ways)
            spoken = [spoken_only(reading, window.spans) for reading, window in zip(own, windows, strict=True)]
            readings = self._second_reading.improved(windows, slices, spoken, speech, ways)
        return [_result(reading, options) for reading in readings]

    def _own_words(
        self,
        slices: Sequence[AudioSlice],
        readings: Sequence[Reading],
        options: WindowOptions,
        ways: Sequence[Decoding],
    ) -> list[Reading]:
        """Return the readings, those that may owe their words to the prompt checked without it.

        With a prompt Whisper may repeat it where nobody speaks, and its probability of that is not to be trusted. So
        where it repeats, or is unsure, the same sound is read without a prompt: if that finds nobody, there is nobody.
        """
        if not (options.prompt or options.hotwords):
            return list(readings)
        echoing = {n: _echoing(reading, options) for n, reading in enumerate(readings)}
        checked = [n for n, reading in enumerate(readings) if echoing[n] or _unsure(reading)]
        plain = self._speech(replace(options, prompt=None, hotwords=None))
        again = self._reader.read([slices[n] for n in checked], plain, ways, cut=True)
        without = dict(zip(checked, again, strict=True))
        return [
            without[n] if n in without and (echoing[n] or not without[n].words) else reading
            for n, reading in enumerate(readings)
        ]


def _echoing(reading: Reading, options: WindowOptions) -> bool:
    return echoes(text_of(reading.words), options.prompt, options.hotwords)


def _unsure(reading: Reading) -> bool:
    return any(result.avg_logprob < _UNSURE_LOGPROB for result in reading.results)


def _strict(beam_size: int) -> Decoding:
    return Decoding(max(beam_size, 5), repetition_penalty=1.2, no_repeat_ngram_size=4)


def _result(reading: Reading, options: WindowOptions) -> WindowResult:
    parts, position = [], 0
    for words in group(reading.words):
        parts.append((words, reading.results[position]))
        position += len(words)
    segments = tuple(_segment(words, result, options) for words, result in parts)
    return WindowResult(tuple(s for s in segments if s.text), sampled=options.temperature > 0)


def _segment(words: Sequence[TimedWord], result: DecodeResult, options: WindowOptions) -> Segment:
    return Segment(
        start=words[0].start,
        end=words[-1].end,
        text=text_of(words),
        words=tuple(word.as_word() for word in words if word.text.strip()),
        avg_logprob=result.avg_logprob,
        compression_ratio=round(result.compression_ratio, 4),
        no_speech_prob=result.no_speech_prob,
        temperature=options.temperature,
        tokens=tuple(token for word in words for token in word.tokens),
    )
