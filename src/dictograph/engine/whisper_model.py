"""Whisper's weights, tokenizer and features: the only file that uses CTranslate2 and faster-whisper.

Every method treats each slice of a batch separately: neither tokens nor scores nor times depend on
what else is in the batch (on CPU with int8; the conformance suite holds us to it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from dictograph.engine.memory import out_of_memory
from dictograph.engine.parallel_decoder import ParallelDecoder
from dictograph.engine.protocol import EngineSpec, Samples
from dictograph.engine.segments import TimedWord
from dictograph.engine.sizing import Sizing, sizing
from dictograph.engine.whisper_fallback import DecodeResult
from dictograph.engine.whisper_prompt import previous_text
from dictograph.engine.whisper_words import Piece, aligned_words, with_punctuation
from dictograph.errors import ModelUnavailable

#: Positions that the decoder has for prompt and answer together. CTranslate2 gives an answer half of them at most.
MAX_TOKENS = 448

#: Hypotheses drawn when sampling, of which the most probable is kept (openai/whisper's `best_of`).
_SAMPLES_DRAWN = 5

Encoded = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Speech:
    """The decoder's input about the speech: a tokenizer with language and task, and the prompt."""

    tokenizer: Tokenizer
    prompt: tuple[int, ...]
    suppressed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to search for the most probable text. `temperature` above 0 samples, whatever the beam."""

    beam_size: int = 5
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
    """A loaded Whisper. `languages` are the codes that its vocabulary has tokens for."""

    def __init__(self, spec: EngineSpec) -> None:
        device = _device(spec.device)
        size = sizing(device, spec.threads, spec.batch_size)
        self._whisper = _loaded(spec, device, size)
        self._ct2 = self._whisper.model
        self._decoders = ParallelDecoder(size.decoders)
        self.batch = size.batch
        self.multilingual = bool(self._ct2.is_multilingual)
        self.on_gpu = self._ct2.device == "cuda"
        self.languages = self._languages()

    def speech(self, language: str, task: str, prompt: str | None, hotwords: str | None) -> Speech:
        """Return the decoder's input for this language, task and prompt."""
        tokenizer = Tokenizer(self._whisper.hf_tokenizer, self.multilingual, task=task, language=language)
        before = previous_text(tokenizer.encode, prompt, hotwords)
        start = [*([tokenizer.sot_prev, *before] if before else []), *tokenizer.sot_sequence, tokenizer.no_timestamps]
        return Speech(tokenizer, tuple(start), _suppressed(tokenizer))

    def features(self, samples: Samples) -> tuple[NDArray[np.float32], int]:
        """Return the mel spectrogram, padded with zeros to 30 s as in training, and its number of frames with sound."""
        extractor = self._whisper.feature_extractor
        mel = extractor(samples.astype(np.float32) / 32768.0)[:, : extractor.nb_max_frames]
        frames = min(len(samples) // extractor.hop_length, mel.shape[1])
        padded = np.zeros((mel.shape[0], extractor.nb_max_frames), np.float32)
        padded[:, :frames] = mel[:, :frames]
        return padded, frames

    def encode(self, mels: Sequence[NDArray[np.float32]]) -> list[Encoded]:
        """Encode spectrograms: on a GPU together, on CPU one by one in each decoder, which is quickest there."""
        return self._decoders.run(self._encode, mels)

    def _encode(self, mels: Sequence[NDArray[np.float32]]) -> list[Encoded]:
        size = len(mels) if self.on_gpu else 1
        encoded: list[Encoded] = []
        for first in range(0, len(mels), size):
            output = self._ct2.encode(_storage(mels[first : first + size]), to_cpu=True)
            if self.on_gpu:
                output = output.to(ctranslate2.DataType.float32)
            encoded.extend(np.array(output))
        return encoded

    @property
    def decoders(self) -> int:
        """How many windows are decoded in parallel."""
        return self._decoders.count

    def decode(self, encoded: Sequence[Encoded], speech: Speech, how: Decoding) -> list[DecodeResult]:
        """Return the text of each slice, without time stamps."""
        return self._decoders.run(lambda part: self._decode(part, speech, how), encoded)

    def _decode(self, encoded: Sequence[Encoded], speech: Speech, how: Decoding) -> list[DecodeResult]:
        answers = self._ct2.generate(
            _storage(encoded),
            [list(speech.prompt)] * len(encoded),
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
        """Return words with times for texts of at least one token, from the cross-attention to the sound."""
        spoken = list(zip(encoded, texts, frames, strict=True))
        return self._decoders.run(lambda part: self._align(part, speech, at_most), spoken)

    def _align(
        self, spoken: Sequence[tuple[Encoded, Sequence[int], int]], speech: Speech, at_most: int
    ) -> list[list[TimedWord]]:
        """Align at most `at_most` texts together on a GPU, one by one on CPU.

        One by one is no slower on CPU: the tokens of each text are processed in parallel already, and the result, a
        score for every token and every word of the vocabulary, is large.
        """
        size = at_most if self.on_gpu else 1
        words: list[list[TimedWord]] = []
        for first in range(0, len(spoken), size):
            words += self._aligned(spoken[first : first + size], speech)
        return words

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


def _result(answer: Any, tokenizer: Tokenizer) -> DecodeResult:
    sequence = answer.sequences_ids[0]
    text_tokens = tuple(token for token in sequence if token < tokenizer.eot)
    # The score is a mean over the tokens without the closing one, Whisper's figure one with it.
    logprob = answer.scores[0] * len(sequence) / (len(sequence) + 1)
    return DecodeResult(
        tokens=text_tokens,
        text=tokenizer.decode(text_tokens).strip(),
        avg_logprob=round(float(logprob), 4),
        no_speech_prob=round(float(answer.no_speech_prob), 4),
        full=len(sequence) >= MAX_TOKENS // 2,
    )


def _pieces(tokens: Sequence[int], tokenizer: Tokenizer) -> list[Piece]:
    texts, parts = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    pieces = [Piece(text, tuple(part)) for text, part in zip(texts, parts, strict=True)]
    return with_punctuation([piece for piece in pieces if piece.tokens and piece.tokens[0] < tokenizer.eot])
