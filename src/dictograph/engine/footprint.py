"""Estimate the memory of an engine's process before it was ever measured."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dictograph.child.memory_budget import Demand
from dictograph.engine.protocol import EngineSpec
from dictograph.engine.sizing import sizing

_MIB = 2**20

#: Python with the libraries of an engine: at the least, and with CTranslate2 and a tokenizer.
_LEAST_PROCESS = 40 * _MIB
_PROCESS = 300 * _MIB

#: What the loaded weights take at the most, and what a window takes, in parts of the weights as they are stored.
#: Measured with `int8` on two cores: weights of 78 MB take 436 MB when they are loaded, and each window 69 MB more;
#: weights of 249 MB 979, and each window 200.
_LOADED = 2.0
_WINDOW = 0.4

#: Weights are mostly stored with two bytes a number, of which one is left with an `int8` type.
_HALF = "int8"


def footprint(spec: EngineSpec) -> Demand:
    """Return the memory that an engine needs.

    An engine that ships its own model counts as a process without a model until it is measured. On a GPU the weights
    pass through the memory when they are loaded, and need not stay there.
    """
    weights, size = _stored(spec.model_path), sizing(spec.device, spec.threads, spec.batch_size)
    if spec.device != "cpu":
        return Demand(_LEAST_PROCESS, _PROCESS + weights)
    kept = weights // 2 if _is_halved(spec.compute_type) else weights
    return Demand(_LEAST_PROCESS + kept, _PROCESS + int(weights * (_LOADED + _WINDOW * size.batch)))


def _is_halved(compute_type: str) -> bool:
    return compute_type.startswith(_HALF) or compute_type in ("auto", "default", "")


def _stored(folder: str) -> int:
    """Return the bytes of all files in a model's folder; 0 where there is no folder."""
    return sum(_sizes(folder)) if folder else 0


def _sizes(folder: str) -> Iterator[int]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield from _sizes(entry.path)
                else:
                    yield entry.stat().st_size
    except OSError:  # the engine will report that it is not there
        return
