"""A Whisper of true size whose words are known: the arithmetic of the real model, a fixed sentence in every window.

Built in seconds from numpy alone, as a CTranslate2 model in int8. All weights are random and small, but for two
places: every token's embedding is a random vector e(t), and the decoder's last feed-forward network has one hidden
unit for each step of a fixed chain of tokens, which fires on e(t) and writes e(next(t)). So the model says the same
words in every window with a probability near one (no fallback, a realistic length), whatever prompt stands before,
with or without time stamps, at the true cost of its size. The words are varied, lest they count as a repetition.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Width, layers of encoder and of decoder, heads.
SIZES = {"tiny": (384, 4, 6), "base": (512, 6, 8), "small": (768, 12, 12)}

#: Words said in each window: as many as a quick speaker says in 30 s.
WORDS = 96

_LANGUAGES = re.findall(
    r"\w+",
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr "
    "bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn "
    "yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su",
)
_TEXT_TOKENS = 50_256
_POSITIONS = 448
_FRAMES = 1500


def build(size: str, folder: Path) -> Path:
    """Write a model of a size (a key of SIZES) into a new folder; gives the folder."""
    from ctranslate2.specs import whisper_spec

    width, layers, heads = SIZES[size]
    spec = whisper_spec.WhisperSpec(layers, heads, layers, heads)
    vocabulary = [*_text(), *_special()]
    _Weights(width, vocabulary).fill(spec)
    spec.register_vocabulary(vocabulary)
    ids = {token: index for index, token in enumerate(vocabulary)}
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], [220, ids["<|endoftext|>"]]
    spec.config.lang_ids = [ids[f"<|{language}|>"] for language in _LANGUAGES]
    spec.config.alignment_heads = [(layer, head) for layer in range(layers // 2, layers) for head in range(2)]
    spec.validate()
    spec.optimize(quantization="int8")
    folder.mkdir(parents=True)
    spec.save(str(folder))
    _write(folder / "preprocessor_config.json", _PREPROCESSOR)
    _write(folder / "tokenizer.json", _tokenizer(ids))
    return folder


class _Weights:
    """Fills a specification with weights, always the same ones."""

    def __init__(self, width: int, vocabulary: Sequence[str]) -> None:
        self._width = width
        self._ids = {token: index for index, token in enumerate(vocabulary)}
        self._random = np.random.default_rng(0)
        self._tokens = len(vocabulary)

    def fill(self, spec: Any) -> None:
        encoder, decoder, width = spec.encoder, spec.decoder, self._width
        encoder.conv1.weight, encoder.conv1.bias = self._noise(width, 80, 3), np.zeros(width, np.float32)
        encoder.conv2.weight, encoder.conv2.bias = self._noise(width, width, 3), np.zeros(width, np.float32)
        encoder.position_encodings.encodings = self._noise(_FRAMES, width)
        self._norm(encoder.layer_norm)
        for layer in encoder.layer:
            self._attention(layer.self_attention, own=True)
            self._feed_forward(layer.ffn)
        embeddings = self._noise(self._tokens, width, spread=1.0)
        decoder.embeddings.weight = decoder.projection.weight = embeddings
        decoder.position_encodings.encodings = self._noise(_POSITIONS, width)
        self._norm(decoder.layer_norm)
        for layer in decoder.layer:
            self._attention(layer.self_attention, own=True)
            self._attention(layer.attention, own=False)
            self._feed_forward(layer.ffn)
        self._chain(decoder.layer[-1].ffn, embeddings)

    def _noise(self, *shape: int, spread: float = 0.01) -> NDArray[np.float32]:
        return self._random.normal(0, spread, shape).astype(np.float32)

    def _linear(self, spec: Any, outputs: int, inputs: int) -> None:
        spec.weight, spec.bias = self._noise(outputs, inputs), np.zeros(outputs, np.float32)

    def _norm(self, spec: Any) -> None:
        spec.gamma, spec.beta = np.ones(self._width, np.float32), np.zeros(self._width, np.float32)

    def _attention(self, spec: Any, *, own: bool) -> None:
        width = self._width
        self._norm(spec.layer_norm)
        for part, rows in zip(spec.linear, (3 * width, width) if own else (width, 2 * width, width), strict=True):
            self._linear(part, rows, width)

    def _feed_forward(self, spec: Any) -> None:
        self._norm(spec.layer_norm)
        self._linear(spec.linear_0, 4 * self._width, self._width)
        self._linear(spec.linear_1, self._width, 4 * self._width)

    def _chain(self, network: Any, embeddings: NDArray[np.float32]) -> None:
        unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        for row, (token, nexts) in enumerate(self._steps()):
            network.linear_0.weight[row], network.linear_0.bias[row] = unit[token], -0.5 * self._width**0.5
            network.linear_1.weight[:, row] = sum(height * unit[after] for after, height in nexts.items())

    def _steps(self) -> list[tuple[int, dict[int, int]]]:
        """Which token follows which, and how loudly: the sentence, with time stamps where they are asked for."""
        names = ("startoftranscript", "en", "transcribe", "0.00", "28.50", "endoftext", "notimestamps")
        start, english, task, zero, last, end, plain = (self._ids[f"<|{name}|>"] for name in names)
        words = [256 + 509 * n % 49_999 for n in range(WORDS)]
        return [
            (start, {english: 10}),
            (english, {task: 10}),
            (task, {zero: 10}),
            (zero, {words[0]: 10}),
            (plain, {words[0]: 10}),
            (last, {end: 10}),
            *((word, {after: 10}) for word, after in pairwise(words)),
            (words[-1], {last: 10, end: 8}),
        ]


def _text() -> list[str]:
    """Tokens of text: bytes as GPT-2 writes them, made-up words, and one that is never said."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    letters = [chr(byte if byte in printable else next(others)) for byte in range(256)]
    return [*letters, *(_word(n * 7919 % 343_000) for n in range(_TEXT_TOKENS - 256)), ""]


def _word(number: int) -> str:
    """One of 343,000 different words of three syllables, with GPT-2's sign for the space before it."""
    return "Ġ" + "".join("bdfgklmnprstvz"[number // d % 14] + "aeiou"[number // d // 14 % 5] for d in (1, 70, 4900))


def _special() -> list[str]:
    return [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{language}|>" for language in _LANGUAGES),
        *(f"<|{n}|>" for n in ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")),
        *(f"<|{step * 0.02:.2f}|>" for step in range(1501)),
    ]


_PREPROCESSOR = {"chunk_length": 30, "feature_size": 80, "hop_length": 160, "n_fft": 400, "sampling_rate": 16000}


def _tokenizer(ids: dict[str, int]) -> dict[str, Any]:
    text, special = _text(), _special()
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "normalizer": None,
        "post_processor": None,
        "added_tokens": [{"id": ids[token], "content": token, **flags} for token in special],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: index for index, token in enumerate(text)},
            "merges": [],
        },
    }


def _write(path: Path, shape: dict[str, Any]) -> None:
    path.write_text(json.dumps(shape))
