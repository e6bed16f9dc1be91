"""The results: words, segments, a transcript. Times are seconds from the start of the original audio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

#: Fields of a segment that are stored only where they have a value.
_ONLY_WHERE_KNOWN = frozenset({"language", "channel"})


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its times (seconds) and the engine's probability for it (0–1)."""

    start: float
    end: float
    word: str
    probability: float

    def shifted(self, seconds: float) -> Word:
        return replace(self, start=_tidy(self.start + seconds), end=_tidy(self.end + seconds))

    @classmethod
    def from_dict(cls, shape: Mapping[str, Any]) -> Word:
        """Return a stored word. Unknown fields are left out; missing fields are empty."""
        return cls(
            start=shape.get("start") or 0.0,
            end=shape.get("end") or 0.0,
            word=shape.get("word") or "",
            probability=shape.get("probability") or 0.0,
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the speech with its text and the engine's figures for it.

    `avg_logprob` is the mean log-probability of its tokens, `compression_ratio` the length of the
    text over its zlib length (repetition shows as a high one), `no_speech_prob` the probability
    that nobody speaks: the quality figures of Whisper (Radford et al. 2022, section 4.5). An
    engine that has no such figure leaves it None. `language` is there where each window has its own, `channel` (from 1)
    where the channels of the audio are transcribed one by one.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None
    temperature: float | None = None
    tokens: tuple[int, ...] = ()
    language: str | None = None
    channel: int | None = None

    def shifted(self, seconds: float) -> Segment:
        """Return the same segment, `seconds` later."""
        return replace(
            self,
            start=_tidy(self.start + seconds),
            end=_tidy(self.end + seconds),
            words=tuple(word.shifted(seconds) for word in self.words),
        )

    def as_dict(self) -> dict[str, Any]:
        shape = asdict(self)
        shape["words"] = [asdict(word) for word in self.words]
        shape["tokens"] = list(self.tokens)
        return {name: value for name, value in shape.items() if value is not None or name not in _ONLY_WHERE_KNOWN}

    @classmethod
    def from_dict(cls, shape: Mapping[str, Any]) -> Segment:
        """Return a stored segment. Unknown fields are left out; missing fields are empty."""
        return cls(
            start=shape.get("start") or 0.0,
            end=shape.get("end") or 0.0,
            text=shape.get("text") or "",
            words=tuple(Word.from_dict(word) for word in shape.get("words") or ()),
            avg_logprob=shape.get("avg_logprob"),
            compression_ratio=shape.get("compression_ratio"),
            no_speech_prob=shape.get("no_speech_prob"),
            temperature=shape.get("temperature"),
            tokens=tuple(shape.get("tokens") or ()),
            language=shape.get("language"),
            channel=shape.get("channel"),
        )


@dataclass(frozen=True, slots=True)
class JobWarning:
    """A warning for the reader of a transcript, with the seconds that it concerns."""

    code: str
    message: str
    start: float | None = None
    end: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, shape: Mapping[str, Any]) -> JobWarning:
        """Return a stored warning. Unknown fields are left out; missing fields are empty."""
        return cls(shape.get("code") or "", shape.get("message") or "", shape.get("start"), shape.get("end"))


@dataclass(frozen=True, slots=True)
class TranscriptHead:
    """A transcript without its segments, so that these can be streamed."""

    language: str | None = None
    language_probability: float | None = None
    duration: float = 0.0
    task: str = "transcribe"
    engine: str = ""
    model: str = ""
    complete: bool = True
    warnings: tuple[JobWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole transcript in memory, as `dictograph.transcribe()` returns it."""

    head: TranscriptHead = field(default_factory=TranscriptHead)
    segments: tuple[Segment, ...] = ()

    @property
    def text(self) -> str:
        """Return the plain text, segments joined by one space."""
        return join_text(self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def language(self) -> str | None:
        return self.head.language

    @property
    def duration(self) -> float:
        """Return the seconds of audio, silence included."""
        return self.head.duration


def without_words(segment: Segment) -> Segment:
    """Return the segment without its words and their times."""
    return replace(segment, words=()) if segment.words else segment


def join_text(segments: Iterable[Segment]) -> str:
    """Return the segments' text, joined by single spaces; empty ones leave no gap."""
    return " ".join(text for segment in segments if (text := segment.text.strip()))


def _tidy(seconds: float) -> float:
    # Milliseconds are finer than any engine's times; rounding removes the float error of sums.
    return round(seconds, 3)
