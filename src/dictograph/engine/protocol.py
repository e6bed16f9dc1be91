"""Define an engine: windows in, segments out. It knows nothing of jobs, files or time lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dictograph.audio_format import SAMPLE_RATE as SAMPLE_RATE
from dictograph.transcript import Segment

#: The longest window, in seconds.
MAX_WINDOW_S = 30.0

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an audio: mono 16 kHz int16 samples, at most 30 s, and its start in the original (s).

    `start` is for an engine's logs; a result must not depend on it. `spans` are the parts in which somebody speaks, as
    far as the detector knows: pairs of seconds from the window's start, in order; None where it was not asked.
    """

    samples: Samples
    start: float = 0.0
    spans: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class WindowResult:
    """An engine's answer for one window: segments in seconds from the window's start.

    `sampled` marks a result that depends on chance: it is committed and never made again. `language` is the most
    probable language of the window's own samples, whatever language it was read in; None where the engine does not say.
    """

    segments: tuple[Segment, ...] = ()
    sampled: bool = False
    language: str | None = None
    language_probability: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the result as it is stored: without what the engine does not say."""
        shape: dict[str, Any] = {"segments": [s.as_dict() for s in self.segments], "sampled": self.sampled}
        heard = {"language": self.language, "language_probability": self.language_probability}
        return shape | {name: value for name, value in heard.items() if value is not None}

    @classmethod
    def from_dict(cls, shape: Mapping[str, Any]) -> WindowResult:
        """Return a stored result; fields that this version does not know are left out."""
        return cls(
            tuple(Segment.from_dict(s) for s in shape.get("segments") or ()),
            bool(shape.get("sampled")),
            shape.get("language"),
            shape.get("language_probability"),
        )

    def shifted(self, seconds: float) -> WindowResult:
        """Return the same result, `seconds` later."""
        return replace(self, segments=tuple(segment.shifted(seconds) for segment in self.segments))

    def in_channel(self, channel: int | None) -> WindowResult:
        """Return the same result as that of a channel (from 1)."""
        if channel is None:
            return self
        return replace(self, segments=tuple(replace(segment, channel=channel) for segment in self.segments))


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """The part of a job's frozen options that an engine needs, under the same names. Equal ones may share a batch.

    `language` is the one to read a window in. Only with `multilingual`, which an engine gets only if its capabilities
    have it, there may be several or none: the window's own language is then found among them, or among all.
    """

    language: str | tuple[str, ...] | None = None
    multilingual: bool = False
    task: str = "transcribe"
    prompt: str | None = None
    hotwords: str | None = None
    beam_size: int = 5
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine with its model can do. `languages` are codes; `detects_language` says whether
    `detect` is called when the client named none (else the only language is taken). `ignored`
    are the names of options that make no difference to it: a job that sets one deserves a warning.
    `multilingual`: it can find the language of each window, and says so in each result.
    `prepares` above 0 says that it has a method `prepare`, and that windows given to it so many at a time
    before they are transcribed together cost no more than so."""

    languages: frozenset[str]
    tasks: frozenset[str] = frozenset({"transcribe"})
    words: bool = True
    detects_language: bool = False
    max_batch: int = 1
    ignored: frozenset[str] = frozenset()
    prefetch_batch: int = 0
    multilingual: bool = False


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Everything that a child needs to load an engine: two with the same spec are interchangeable.

    `model_path` is a local folder (empty: the engine ships its own model). `factory` is
    "package.module:callable", called with this spec. `threads` and `batch_size` 0 mean automatic. `context` is
    `window`, `full` or `auto` (docs/explanation/windows.md, "As much sound as there is").
    """

    name: str
    factory: str
    model: str = ""
    model_path: str = ""
    revision: str = ""
    device: str = "cpu"
    compute_type: str = "int8"
    threads: int = 0
    batch_size: int = 0
    context: str = "auto"


class Preparing(Protocol):
    """A method that some engines have, if their capabilities say so."""

    def prepare(self, windows: Sequence[Window]) -> None:
        """Prepare these windows before they are transcribed. It makes no difference to a result."""
        ...


class Engine(Protocol):
    """A loaded engine. All calls come from one thread of one process."""

    @property
    def capabilities(self) -> Capabilities: ...

    def detect(self, windows: Sequence[Window]) -> list[dict[str, float]]:
        """Return the probability of every language, by code, for each window."""
        ...

    def transcribe(self, windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        """Return a result for each window, in order: a pure function of its samples, the options, the model."""
        ...
