"""Whisper that ends some windows early, as the real one sometimes does: the first reading of them has half its words.

Which windows is settled by their sound: about every third one, or as many as the file ORDERS in TMPDIR says
({"model": folder of the weights, "one_in": n}). The texts that were left out are then lines of the file LEFT_OUT there.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dictograph.engine.protocol import EngineSpec
from dictograph.engine.whisper.engine import WhisperEngine
from dictograph.engine.whisper.fallback import DecodeResult
from dictograph.engine.whisper.model import Decoding, Encoded, Model, Speech

#: A shorter answer (in tokens) is left as it is.
_SHORT = 12


ORDERS, LEFT_OUT = "early.json", "early.log"


def load(spec: EngineSpec) -> WhisperEngine:
    engine = WhisperEngine(spec)
    end_early(engine._model)
    return engine


def load_as_ordered(spec: EngineSpec) -> WhisperEngine:
    """For a service: such an engine has no weights of its own."""
    folder = Path(tempfile.gettempdir())
    orders = json.loads((folder / ORDERS).read_text())
    engine = WhisperEngine(replace(spec, model="base", model_path=orders["model"]))
    end_early(engine._model, orders["one_in"], _Log(folder / LEFT_OUT))
    return engine


class _Log(list[str]):
    """Writes each text that is added as a line of a file."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        file.touch()

    def append(self, text: str) -> None:
        with self._file.open("a") as lines:
            lines.write(" ".join(text.split()) + "\n")


def end_early(model: Model, one_in: int = 3, log: list[str] | None = None) -> list[str]:
    """Make the model end early; return a list that fills with the words that it leaves out."""
    decode: Any = model.decode
    left_out: list[str] = [] if log is None else log

    def early(encoded: Sequence[Encoded], speech: Speech, how: Decoding) -> list[DecodeResult]:
        results: list[DecodeResult] = decode(encoded, speech, how)
        if how.stamps:
            return results
        return [
            _halved(r, speech, left_out) if _chosen(e, one_in) else r for e, r in zip(encoded, results, strict=True)
        ]

    model.decode = early  # type: ignore[method-assign]
    return left_out


def _chosen(encoded: Encoded, one_in: int) -> bool:
    return hashlib.sha256(encoded.tobytes()).digest()[0] % one_in == 0


def _halved(result: DecodeResult, speech: Speech, left_out: list[str]) -> DecodeResult:
    if len(result.tokens) < _SHORT:
        return result
    kept = result.tokens[: len(result.tokens) // 2]
    text = speech.tokenizer.decode(list(kept)).strip()
    left_out.append(result.text[len(text) :])
    return replace(result, tokens=kept, text=text)
