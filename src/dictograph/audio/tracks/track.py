"""The audio tracks of an opened file, and the choice among them. Runs in the decoder child only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from av.audio.stream import AudioStream
from av.container import InputContainer

from dictograph.audio.containers.accepted import ACCEPTED, DECODERS
from dictograph.audio.tracks.languages import is_language
from dictograph.audio.tracks.selection import ALL, EACH, Selection
from dictograph.child.loop import ChildError
from dictograph.errors import NoAudioStream, NoSuchTrack, UnsupportedFormat

#: Titles come from the file: so much of one is shown.
_TITLE_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class Track:
    """An audio track: its number (1 is the file's first), and whether there is a decoder for it."""

    number: int
    stream: AudioStream
    readable: bool

    @property
    def channels(self) -> int:
        """Return the number of its channels, as its header says."""
        return int(self.stream.codec_context.channels) if self.readable else 0

    @property
    def language(self) -> str:
        """Return the language as the container says it, or nothing."""
        said = self.stream.metadata.get("language", "")
        return "" if said in ("und", "mis", "zxx", "mul") else _clean(said)

    @property
    def name(self) -> str:
        """Return what a person calls it: its number, language and title."""
        title = self.stream.metadata.get("title") or self.stream.metadata.get("handler_name") or ""
        details = [self.language, f"“{_clean(title)}”" if title and "Handler" not in title else ""]
        known = ", ".join(detail for detail in details if detail)
        return f"track {self.number} ({known})" if known else f"track {self.number}"


def tracks_of(container: InputContainer) -> list[Track]:
    """Return all audio tracks of a file."""
    return [
        Track(number, stream, _decoder_of(stream) in DECODERS)
        for number, stream in enumerate(container.streams.audio, start=1)
    ]


def choose(container: InputContainer, selection: Selection, prefer: int | None = None) -> tuple[Track, ...]:
    """Return the tracks of a file that a job wants; without a wish the one with the number `prefer`, or else the best
    one that can be read.

    Raises:
        ChildError: no_audio_stream, no_such_track or unsupported_format, with a message.
    """
    tracks = tracks_of(container)
    if not tracks:
        raise ChildError(NoAudioStream.code, "The file holds no audio.")
    chosen = _wanted(container, tracks, selection, prefer)
    readable = tuple(track for track in chosen if track.readable)
    if not readable:
        name = _decoder_of(chosen[0].stream) or "an unknown codec"
        text = f"The audio in the file is encoded as {name}, which cannot be decoded. {ACCEPTED}"
        raise ChildError(UnsupportedFormat.code, text)
    return readable


def _wanted(
    container: InputContainer, tracks: Sequence[Track], selection: Selection, prefer: int | None
) -> Sequence[Track]:
    wanted = selection.track
    if wanted is None:
        best = container.streams.best("audio")
        return [min(tracks, key=lambda t: (t.number != prefer, not t.readable, t.stream is not best, t.number))]
    if wanted in (ALL, EACH):
        return tracks
    if wanted.isdecimal():
        found = [track for track in tracks if track.number == int(wanted)]
    else:
        found = [track for track in tracks if is_language(track.language, wanted)][:1]
    if not found:
        there = ", ".join(track.name for track in tracks[:20])
        raise ChildError(NoSuchTrack.code, f"The file has no audio track {wanted}. It has {there}.")
    return found


def _decoder_of(stream: AudioStream) -> str | None:
    # PyAV's types do not show that a stream without a built-in decoder has no codec context.
    context: Any = stream.codec_context
    return None if context is None else str(context.codec.name)


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:_TITLE_LENGTH]
