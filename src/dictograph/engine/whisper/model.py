"""Whisper's weights, tokenizer and features: the only file that uses CTranslate2 and faster-whisper.

Every method treats each slice of a batch separately: neither tokens nor scores nor times depend on
what else is in the batch (on CPU with int8; the conformance suite holds us to it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from dictograph.engine.memory import out_of_memory
from dictograph.engine.protocol import EngineSpec, Samples
from dictograph.engine.segments import TimedWord
from dictograph.engine.sizing import Sizing, sizing
from dictograph.engine.whisper.fallback import DecodeResult
from dictograph.engine.whisper.prompt import previous_text
from dictograph.engine.whisper.words import Piece, aligned_words, with_punctuation
from dictograph.errors import ModelUnavailable

#: Positions that the decoder has for prompt and answer together. CTranslate2 gives an answer half of them at most.
MAX_TOKENS = 448

#: Hypotheses drawn when sampling, of which the most probable is kept (openai/whisper's `best_of`).
_SAMPLES_DRAWN = 5

#: The sound that the encoder gets, in frames of 10 ms: its window's and a margin, at least the floor, in whole steps.
#: Others report losses with a shorter context, in Korean above all.
_MARGIN_FRAMES, _FLOOR_FRAMES, _STEP_FRAMES = 200, 1000, 500

#: The models that were measured with a shorter context, by a part of their names.
_MEASURED_MODELS = ("tiny", "base")

#: How many steps of an encoding its language is told from, spread over all of it. Reading all 1,500 of a full window
#: takes five times as long, and tells the same (docs/explanation/windows.md, "Several languages").
_LANGUAGE_STEPS = 500

#: Seconds of one step of Whisper's time stamps.
_STAMP_S = 0.02

Encoded = NDArray[Any]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Speech:
    """The decoder's input about the speech: a tokenizer with language and task, and the prompt."""

    tokenizer: Tokenizer
    prompt: tuple[int, ...]
    suppressed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to search for the most probable text. `temperature` above 0 samples, whatever the beam. With `stamps` the
    model says when it speaks; it then stops after the last whole phrase."""

    beam_size: int = 5
    stamps: bool = False
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    temperature: float = 0.0

    def arguments(self) -> dict[str, Any]:
        if self.temperature > 0:
            return {
                "beam_size": 1,
                "num_hypotheses": _SAMPLES_DRAWN,
                "sampling_topk": 0,
                "sampling_temperature": self.temperature,
            }
        return {
            "beam_size": self.beam_size,
            "repetition_penalty": self.repetition_penalty,
            "no_repeat_ngram_size": self.no_repeat_ngram_size,
        }


class Model:
    """A loaded Whisper. `languages` are the codes that its vocabulary has tokens for.

    `decoders` threads may use it at once, each with its own windows.
    """

    def __init__(self, spec: EngineSpec) -> None:
        device = _device(spec.device)
        size = sizing(device, spec.threads, spec.batch_size)
        self._whisper = _loaded(spec, device, size)
        self._ct2 = self._whisper.model
        self.batch, self.decoders = size.batch, size.decoders
        self.multilingual = bool(self._ct2.is_multilingual)
        self.on_gpu = self._ct2.device == "cuda"
        self._shortens = shortens_context(spec)
        self.languages = self._languages()

    def speech(self, language: str, task: str, prompt: str | None, hotwords: str | None) -> Speech:
        """Return the decoder's input for this language, task and prompt."""
        tokenizer = Tokenizer(self._whisper.hf_tokenizer, self.multilingual, task=task, language=language)
        before = previous_text(tokenizer.encode, prompt, hotwords)
        start = [*([tokenizer.sot_prev, *before] if before else []), *tokenizer.sot_sequence, tokenizer.no_timestamps]
        return Speech(tokenizer, tuple(start), _suppressed(tokenizer))

    def features(self, samples: Samples) -> tuple[NDArray[np.float32], int]:
        """Return the mel spectrogram of the sound and the silence behind it, and the number of frames with sound.

        The silence is added to the samples, as in training: zeros behind the spectrogram would be a faint noise, and
        cost words (docs/explanation/windows.md). Its length is that of `context_frames`: the encoder's work grows with
        it.
        """
        extractor = self._whisper.feature_extractor
        frames = min(len(samples) // extractor.hop_length, extractor.nb_max_frames)
        context = context_frames(frames, extractor.nb_max_frames) if self._shortens else extractor.nb_max_frames
        sound = np.zeros(max(context * extractor.hop_length, len(samples)), np.float32)
        sound[: len(samples)] = samples / np.float32(32768.0)
        return np.ascontiguousarray(extractor(sound)[:, :context]), frames

    def encode(self, mels: Sequence[NDArray[np.float32]]) -> list[Encoded]:
        """Encode spectrograms: on a GPU together, on CPU one by one, which is quickest there."""
        return _by_length(mels, self._encode_together, at_most=len(mels) if self.on_gpu else 1)

    def _encode_together(self, mels: Sequence[NDArray[np.float32]]) -> list[Encoded]:
        output = self._ct2.encode(_storage(mels), to_cpu=True)
        return list(np.array(output.to(ctranslate2.DataType.float32) if self.on_gpu else output))

    def decode(self, encoded: Sequence[Encoded], speech: Speech, how: Decoding) -> list[DecodeResult]:
        """Return the text of each slice."""
        return _by_length(encoded, lambda same: self._decode(same, speech, how))

    def _decode(self, encoded: Sequence[Encoded], speech: Speech, how: Decoding) -> list[DecodeResult]:
        prompt = [token for token in speech.prompt if not how.stamps or token != speech.tokenizer.no_timestamps]
        answers = self._ct2.generate(
            _storage(encoded),
            [prompt] * len(encoded),
            max_length=MAX_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=list(speech.suppressed),
            **how.arguments(),
        )
        return [_result(answer, speech.tokenizer) for answer in answers]

    def align(
        self,
        encoded: Sequence[Encoded],
        texts: Sequence[Sequence[int]],
        frames: Sequence[int],
        speech: Speech,
        at_most: int,
    ) -> list[list[TimedWord]]:
        """Return words with times for texts of at least one token, from the cross-attention to the sound.

        On a GPU at most `at_most` texts are aligned together, on CPU one by one. That is no slower there: the tokens of
        each text are processed in parallel already, and the result, a score for every token and every word of the
        vocabulary, is large.
        """
        spoken = list(zip(encoded, texts, frames, strict=True))
        size = at_most if self.on_gpu else 1
        return _by_length(spoken, lambda same: self._aligned(same, speech), size, length=lambda one: len(one[0]))

    def _aligned(self, spoken: Sequence[tuple[Encoded, Sequence[int], int]], speech: Speech) -> list[list[TimedWord]]:
        encoded, texts, frames = zip(*spoken, strict=True)
        alignments = self._ct2.align(
            _storage(encoded), speech.tokenizer.sot_sequence, [list(text) for text in texts], list(frames)
        )
        return [
            aligned_words(_pieces(text, speech.tokenizer), alignment.alignments, alignment.text_token_probs)
            for text, alignment in zip(texts, alignments, strict=True)
        ]

    def detect(self, encoded: Sequence[Encoded]) -> list[dict[str, float]]:
        """Return the probability of every language, by code, for each slice. Only for multilingual models."""
        return _by_length([one[:: max(1, len(one) // _LANGUAGE_STEPS)] for one in encoded], self._detect)

    def _detect(self, encoded: Sequence[Encoded]) -> list[dict[str, float]]:
        found = self._ct2.detect_language(_storage(encoded))
        return [{token[2:-2]: round(float(share), 6) for token, share in shares} for shares in found]

    def _languages(self) -> frozenset[str]:
        known = self._whisper.hf_tokenizer.token_to_id
        return frozenset(code for code in self._whisper.supported_languages if known(f"<|{code}|>") is not None) or (
            frozenset({"en"})
        )


def _loaded(spec: EngineSpec, device: str, size: Sizing) -> WhisperModel:
    if not (Path(spec.model_path) / "model.bin").is_file():
        raise ModelUnavailable(f"There is no converted Whisper model in the folder of {spec.model}.")
    try:
        return WhisperModel(
            spec.model_path,
            device=device,
            compute_type=_compute_type(spec.compute_type, device),
            cpu_threads=size.threads_each,
            num_workers=size.decoders,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        if out_of_memory(error):
            raise
        reason = str(error).replace(spec.model_path, spec.model)  # clients are not shown folders of this machine
        raise ModelUnavailable(f"The model {spec.model} cannot be loaded: {reason}") from error


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if ctranslate2.get_cuda_device_count() else "cpu"


def _compute_type(wanted: str, device: str) -> str:
    if wanted not in ("auto", "default", ""):
        return wanted
    return "float16" if device == "cuda" else "int8"


def _storage(arrays: Sequence[NDArray[Any]]) -> Any:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.stack(arrays)))


def _suppressed(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the tokens that must not occur: the model's own list (-1), non-speech signs, and control tokens."""
    control = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    known = {token for token in (*tokenizer.non_speech_tokens, *control) if token is not None}
    return (-1, *sorted(known))


def shortens_context(spec: EngineSpec) -> bool:
    """Return whether the encoder gets only as much sound as a window has."""
    if spec.context != "auto":
        return spec.context == "window"
    return any(measured in spec.model.lower() for measured in _MEASURED_MODELS)


def context_frames(frames: int, most: int) -> int:
    """Return the frames (of 10 ms) that the encoder gets for so many frames of sound, at most `most` (30 s).

    There are only a few lengths, so that windows can be decoded together.
    """
    wanted = max(frames + _MARGIN_FRAMES, _FLOOR_FRAMES)
    return min(most, -(-wanted // _STEP_FRAMES) * _STEP_FRAMES)


def _by_length(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], Sequence[Result]],
    at_most: int | None = None,
    length: Callable[[Item], int] = len,  # type: ignore[assignment]
) -> list[Result]:
    """Do the work on items of equal length together, at most so many at a time; return the results in order."""
    groups: dict[int, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(length(item), []).append(index)
    size = at_most or max(1, len(items))
    done: dict[int, Result] = {}
    for indices in groups.values():
        for first in range(0, len(indices), size):
            part = indices[first : first + size]
            done |= zip(part, work([items[index] for index in part]), strict=True)
    return [done[index] for index in range(len(items))]


def _result(answer: Any, tokenizer: Tokenizer) -> DecodeResult:
    sequence = answer.sequences_ids[0]
    stamps = [token for token in sequence if token >= tokenizer.timestamp_begin]
    text_tokens = tuple(token for token in sequence if token < tokenizer.eot)
    # The score is a mean over the tokens without the closing one, Whisper's figure one with it.
    logprob = answer.scores[0] * len(sequence) / (len(sequence) + 1)
    return DecodeResult(
        tokens=text_tokens,
        text=tokenizer.decode(text_tokens).strip(),
        avg_logprob=round(float(logprob), 4),
        no_speech_prob=round(float(answer.no_speech_prob), 4),
        full=len(sequence) >= MAX_TOKENS // 2,
        until=round((stamps[-1] - tokenizer.timestamp_begin) * _STAMP_S, 2) if stamps else None,
    )


def _pieces(tokens: Sequence[int], tokenizer: Tokenizer) -> list[Piece]:
    texts, parts = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    pieces = [Piece(text, tuple(part)) for text, part in zip(texts, parts, strict=True)]
    return with_punctuation([piece for piece in pieces if piece.tokens and piece.tokens[0] < tokenizer.eot])
