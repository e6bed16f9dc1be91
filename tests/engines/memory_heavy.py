"""Engines that take much memory for each window while they work: a window's first sample says how many MiB.

They write the size of every batch that they begin to `hungry.log` in their TMPDIR. What a process holds is looked at
now and then: what is more than their memory, 400 MiB, they hold until they are killed for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from dictograph.engine.memory import AdaptiveBatcher
from dictograph.engine.protocol import Capabilities, EngineSpec, Window, WindowOptions, WindowResult
from tests.engines.digest import FOLDER

_MIB = 2**20
_MOST = 400 * _MIB
_UNTIL_KILLED_S = 60


class MemoryHeavyEngine:
    """Knows nothing of its limit: it outgrows it."""

    capabilities = Capabilities(frozenset({"en"}), words=False, max_batch=4)

    def __init__(self, spec: EngineSpec) -> None:
        pass

    def detect(self, windows: Sequence[Window]) -> list[dict[str, float]]:
        return [{"en": 1.0} for _ in windows]

    def transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        _note(windows)
        hoard = bytearray(b"x") * _taken(windows)
        time.sleep(_UNTIL_KILLED_S if len(hoard) > _MOST else 0)
        return [WindowResult() for _ in windows]


class Modest(MemoryHeavyEngine):
    """Is told when its memory, 400 MiB, does not hold a batch, as by a GPU's driver; and does the rest as others do."""

    def __init__(self, spec: EngineSpec) -> None:
        self._batches = AdaptiveBatcher(8)

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override] # it sinks, and the other's does not
        return Capabilities(frozenset({"en"}), words=False, max_batch=self._batches.most)

    def transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        return self._batches.run(_work, windows)


def _work(windows: Sequence[Window]) -> list[WindowResult]:
    _note(windows)
    if _taken(windows) > _MOST:
        raise RuntimeError("CUDA failed with error out of memory")
    return [WindowResult() for _ in windows]


def _taken(windows: Sequence[Window]) -> int:
    return sum(int(window.samples[0]) for window in windows) * _MIB


def _note(windows: Sequence[Window]) -> None:
    with (FOLDER / "hungry.log").open("a") as log:
        log.write(f"{len(windows)}\n")


class Large(MemoryHeavyEngine):
    """Holds half as much as its model's weights, `model.bin`, for as long as it is loaded, and says in `large.log` what
    it does: `load NAME`, `begin NAME` and `end NAME` for each batch. A window takes a tenth of a second, and its first
    sample in MiB, which are kept."""

    def __init__(self, spec: EngineSpec) -> None:
        self._name = spec.model
        self._held = [bytearray(b"x") * (Path(spec.model_path, "model.bin").stat().st_size // 2)]
        self._say("load")

    def transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        self._say("begin")
        self._held.append(bytearray(b"x") * _taken(windows))
        time.sleep(0.1 * len(windows))
        self._say("end")
        return [WindowResult() for _ in windows]

    def _say(self, what: str) -> None:
        with (FOLDER / "large.log").open("a") as log:
            log.write(f"{what} {self._name}\n")
