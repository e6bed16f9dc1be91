"""Engines that do everything wrong, one way each; the model's name says which."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dictograph.engine.protocol import Capabilities, EngineSpec, Window, WindowOptions, WindowResult
from dictograph.errors import ModelUnavailable, UnsupportedByEngine
from dictograph.transcript import Segment, Word


def load(spec: EngineSpec) -> BadEngine:
    """An engine that behaves, until it is given a window. Some do not even load."""
    if spec.model == "crash-at-load":
        os.kill(os.getpid(), signal.SIGSEGV)
    if spec.model == "hang-at-load":
        time.sleep(3600)
    if spec.model == "no-weights":
        raise ModelUnavailable("The weights are not here.")
    return BadEngine(spec.model)


class BadEngine:
    capabilities = Capabilities(frozenset({"en"}), max_batch=2)

    def __init__(self, way: str) -> None:
        self._way = way

    def detect(self, windows: Sequence[Window]) -> list[dict[str, float]]:
        return [{"en": 1.0} for _ in windows]

    def transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[Any]:
        if options.prompt == "behave":
            return [WindowResult() for _ in windows]
        return WAYS[self._way](windows)


def _crash(windows: Sequence[Window]) -> list[Any]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return []


def _exit(windows: Sequence[Window]) -> list[Any]:
    os.write(2, b"the library gives up\n")
    os._exit(3)


def _hang(windows: Sequence[Window]) -> list[Any]:
    time.sleep(3600)
    return []


def _grow(windows: Sequence[Window]) -> list[Any]:
    hoard = []
    while True:
        hoard.append(os.urandom(1) * 2**24)
        time.sleep(0.01)


def _raise(windows: Sequence[Window]) -> list[Any]:
    raise RuntimeError("a tensor has the wrong shape")


def _no_memory(windows: Sequence[Window]) -> list[Any]:
    raise RuntimeError("CUDA failed with error out of memory")


def _refuse(windows: Sequence[Window]) -> list[Any]:
    raise UnsupportedByEngine("This engine understands Latin only.")


def _too_few(windows: Sequence[Window]) -> list[Any]:
    return [WindowResult() for _ in windows[1:]]


class _Nonsense:
    def as_dict(self) -> dict[str, Any]:
        return {"segments": 7}


def _nonsense(windows: Sequence[Window]) -> list[Any]:
    return [_Nonsense() for _ in windows]


def _mistyped(windows: Sequence[Window]) -> list[Any]:
    return [WindowResult((Segment(0.0, 0.1, 5),)) for _ in windows]  # type: ignore[arg-type]


def _unmeasured(windows: Sequence[Window]) -> list[Any]:
    return [WindowResult((Segment(math.nan, 0.1, "hello"),)) for _ in windows]


def _beyond(windows: Sequence[Window]) -> list[Any]:
    """Times outside of the window, and ends before starts."""
    words = (Word(-1.0, 0.05, "well", 0.9), Word(0.08, 0.02, "then", 0.9), Word(0.05, 7.0, "so", 0.9))
    return [WindowResult((Segment(-3.0, 99.0, "well then so", words),)) for _ in windows]


def _chatter(windows: Sequence[Window]) -> list[Any]:
    """Native code that prints on standard output must not break the protocol."""
    os.write(1, b"loading kernels...\n" * 1000)
    return [WindowResult() for _ in windows]


WAYS: Mapping[str, Callable[[Sequence[Window]], list[Any]]] = {
    "crash": _crash,
    "exit": _exit,
    "hang": _hang,
    "grow": _grow,
    "raise": _raise,
    "no-memory": _no_memory,
    "refuse": _refuse,
    "too-few": _too_few,
    "nonsense": _nonsense,
    "mistyped": _mistyped,
    "unmeasured": _unmeasured,
    "beyond": _beyond,
    "chatter": _chatter,
}
