"""A fast engine for tests of durability: its text is a digest of a window's samples and start.

It writes a line to `digest.log` in its TMPDIR for every window it transcribes, so that a test can
count; and reads `digest.json` there, so that a test can make it slow, crash, hang or grow:
{"delay": seconds per batch, "max_batch": n, "prepare": seconds per window, "languages": [codes],
"detects": {code: probability}, "detects_in_silence": the same for windows without sound, "hears":
[[probability, code], …] of windows by their loudest sample in tenths of the range, and lists of digests
to misbehave on: "crash_on", "hang_on", "grow_on", "raise_on", "kill_parent_on"}
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dictograph.engine.protocol import SAMPLE_RATE, Capabilities, EngineSpec, Window, WindowOptions, WindowResult
from dictograph.transcript import Segment

FOLDER = Path(os.environ.get("TMPDIR", "/tmp"))


def digest(window: Window) -> str:
    """What the engine says of a window."""
    return hashlib.sha256(window.samples.tobytes() + f"{window.start:.3f}".encode()).hexdigest()[:16]


class DigestEngine:
    def __init__(self, spec: EngineSpec) -> None:
        self._log = FOLDER / "digest.log"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            frozenset(_behaviour().get("languages", ["en"])),
            words=False,
            detects_language="detects" in _behaviour(),
            max_batch=_behaviour().get("max_batch", 4),
            prefetch_batch=int("prepare" in _behaviour()),
            multilingual="hears" in _behaviour(),
        )

    def prepare(self, windows: Sequence[Window]) -> None:
        time.sleep(_behaviour()["prepare"] * len(windows))

    def detect(self, windows: Sequence[Window]) -> list[dict[str, float]]:
        found = _behaviour().get("detects", {"en": 1.0})
        in_silence = _behaviour().get("detects_in_silence", found)
        return [found if window.samples.any() else in_silence for window in windows]

    def transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        behaviour = _behaviour()
        texts = [digest(window) for window in windows]
        for text in texts:
            _misbehave(behaviour, text)
        time.sleep(behaviour.get("delay", 0))
        with self._log.open("a") as log:
            log.write("".join(text + "\n" for text in texts))
        return [_result(window, text, options) for window, text in zip(windows, texts, strict=True)]


def _result(window: Window, text: str, options: WindowOptions) -> WindowResult:
    end, hears = round(len(window.samples) / SAMPLE_RATE, 3), _behaviour().get("hears")
    if hears is None:
        return WindowResult((Segment(0.0, end, text),))
    loudest = int(np.abs(window.samples.astype(np.int32)).max(initial=0))
    probability, language = hears[min(loudest * 10 // 32_768, len(hears) - 1)]
    own = language if options.multilingual else None
    return WindowResult((Segment(0.0, end, text, language=own),), False, language, probability)


def _behaviour() -> dict[str, Any]:
    try:
        shape: dict[str, Any] = json.loads((FOLDER / "digest.json").read_text())
    except FileNotFoundError:
        return {}
    return shape


def _misbehave(behaviour: dict[str, Any], text: str) -> None:
    if text in behaviour.get("crash_on", ()):
        os.kill(os.getpid(), signal.SIGSEGV)
    if text in behaviour.get("hang_on", ()):
        time.sleep(3600)
    if text in behaviour.get("raise_on", ()):
        raise RuntimeError("told to fail")
    if text in behaviour.get("kill_parent_on", ()):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(3600)
    if text in behaviour.get("grow_on", ()):
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(1)) * 2**24)
            time.sleep(0.01)
