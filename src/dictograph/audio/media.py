"""Opens a file with FFmpeg (by PyAV) for reading only. Runs in the decoder child only."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import FileIO
from typing import Any, NoReturn

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from dictograph.audio.containers.accepted import DECODERS, DEMUXERS
from dictograph.audio.containers.heads import (
    HEAD_SIZE,
    ZERO_BASED,
    bytes_missing,
    known_start,
    main_name,
    states_length,
    tag_size,
    unknown,
    why_not_audio,
)
from dictograph.audio.containers.ogg_links import end_of_link
from dictograph.audio.containers.raw_gsm import is_raw_gsm
from dictograph.audio.containers.trailing_audio import goes_on, unread
from dictograph.audio.containers.unreadable_tracks import why_unreadable
from dictograph.audio.tracks.selection import ALL, EACH, Selection
from dictograph.audio.tracks.track import Track, choose, tracks_of
from dictograph.child.loop import ChildError
from dictograph.errors import CorruptAudio, UnsupportedFormat

_BUFFER_BYTES = 2**17

#: The message when FFmpeg finds too many streams, or is to allocate more memory than there is.
_TOO_MUCH = "The file cannot be opened: it announces more streams, or larger parts, than any audio has."

_OPTIONS = {
    # Raw GSM has no header: what it is is not left to FFmpeg.
    "format_whitelist": ",".join(sorted(DEMUXERS - {"gsm"})),
    "codec_whitelist": ",".join(sorted(DECODERS)),
    # The bytes come from Python, so FFmpeg needs no protocol.
    "protocol_whitelist": "",
    "enable_drefs": "0",
    "use_absolute_path": "0",
}

#: The options of raw GSM, and of everything else, beside those above.
_GSM = {"format_whitelist": "gsm"}
_NONE: Mapping[str, str] = {}

_ANY = Selection()


#: A frame with a wrong checksum decodes to noise at full scale. It is better to have no samples.
_DECODER_OPTIONS = {"flac": {"err_detect": "crccheck+explode"}}


@dataclass(frozen=True, slots=True)
class Media:
    """An opened file, or one link of a chained file, and the tracks to decode.

    `left_out` are tracks that nobody chose to leave out; `gave_way` are the numbers of those that are, since they are
    silent at the beginning.

    `origin` is the container's time in seconds that counts as time zero; None: the time of the first frame. `hint` is
    the likely length of the audio; `announced` the exact length of each track from a header that is no estimate. Both
    are in seconds from time zero. `bytes_missing` is the number of bytes that the file lacks according to its header;
    `goes_on` says whether it has more bytes than its header says. The link's bytes are those from `begin` up to `end`.
    """

    file: FileIO
    begin: int
    end: int
    container: InputContainer
    tracks: tuple[Track, ...]
    left_out: tuple[Track, ...]
    container_name: str
    origin: float | None
    hint: float | None
    announced: tuple[float | None, ...]
    bytes_missing: int
    goes_on: bool
    gave_way: frozenset[int] = frozenset()

    @property
    def stream(self) -> AudioStream:
        """Return the stream of the first track."""
        return self.tracks[0].stream

    @property
    def codec_name(self) -> str:
        """Return FFmpeg's name of the first track's codec."""
        return self.stream.codec_context.name

    @property
    def why_missing(self) -> str | None:
        """Return in words what the file lacks at its end by its header."""
        return f"the file lacks {self.bytes_missing} bytes at its end" if self.bytes_missing else None

    def number_of(self, stream_index: int) -> int | None:
        """Return the place of a stream among the tracks; None if it is none of them."""
        return next((n for n, track in enumerate(self.tracks) if track.stream.index == stream_index), None)

    def unread(self, read_to: int) -> int:
        """Return how many bytes follow the last packet, which ends at `read_to`, if they may be audio; else 0."""
        return unread(self.file, self.container_name, read_to)

    @property
    def has_next_link(self) -> bool:
        """Return whether another link of a chained file follows."""
        return self.container_name == "ogg" and self.end < os.fstat(self.file.fileno()).st_size

    def next_link(self) -> Media:
        """Close this link and open the next one. Raises ChildError as `open_media` does."""
        self.container.close()
        return _open_link(self.file, self.end, Selection())


class _Bytes:
    """A file, or a part of it, as FFmpeg sees it: bytes and positions, without a name."""

    def __init__(self, file: FileIO, begin: int, end: int) -> None:
        self._file = file
        self._begin = begin
        self._end = end
        file.seek(begin)

    def read(self, size: int) -> bytes:
        """Return the next bytes, `size` at the most; none at the end of the part."""
        return self._file.read(max(0, min(size, self._end - self._file.tell())))

    def tell(self) -> int:
        """Return the position in the part."""
        return self._file.tell() - self._begin

    def seek(self, offset: int, whence: int) -> int:
        """Seek to a position. For an impossible position, return a negative error number, as FFmpeg's own files do.

        Damaged files contain positions before their beginning and far beyond their end. FFmpeg can handle the error
        number, but an exception from here would end the decoding.
        """
        try:
            base = {os.SEEK_SET: self._begin, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self._end}[whence]
            if base + offset < self._begin:
                return -errno.EINVAL
            return self._file.seek(base + offset) - self._begin
        except (OSError, ValueError, OverflowError, KeyError):
            return -errno.EINVAL


def open_media(file: FileIO, name: str = "", selection: Selection = _ANY, prefer: int | None = None) -> Media:
    """Open `file` and choose its audio tracks. `name` is how the user called it: it only breaks a tie. `prefer` is the
    number of the track to take where none was asked for.

    Raises:
        ChildError: unsupported_format, no_audio_stream, no_such_track or corrupt_audio, with a message.
    """
    av.logging.set_level(None)
    head = os.pread(file.fileno(), HEAD_SIZE, 0)
    if (reason := why_not_audio(head)) is not None:
        raise ChildError(UnsupportedFormat.code, reason)
    if known_start(head) == "ogg":
        return _open_link(file, 0, selection, prefer)
    size = os.fstat(file.fileno()).st_size
    if known_start(head) is None and is_raw_gsm(file, name):
        return _media(file, _open(file, 0, size, _GSM, format="gsm"), head, 0, size, selection)
    more = goes_on(file)
    container = _open(file, 0, size, {"ignore_length": "1"} if more else {})
    return _media(file, container, head, 0, size, selection, prefer, goes_on=more)


def _open_link(file: FileIO, begin: int, selection: Selection, prefer: int | None = None) -> Media:
    """Open the link of a chained Ogg file that begins at `begin`."""
    end = end_of_link(file, begin)
    head = os.pread(file.fileno(), HEAD_SIZE, begin)
    return _media(file, _open(file, begin, end), head, begin, end, selection, prefer)


def _media(
    file: FileIO,
    container: InputContainer,
    head: bytes,
    begin: int,
    end: int,
    selection: Selection,
    prefer: int | None = None,
    *,
    goes_on: bool = False,
) -> Media:
    tracks = choose(container, selection, prefer)
    name = main_name(container.format.name)
    if (reason := why_unreadable(file, name, container.metadata)) is not None:
        raise ChildError(UnsupportedFormat.code, reason)
    body = os.pread(file.fileno(), HEAD_SIZE, begin + tag_size(head))
    exact = states_length(name, body)
    ends = [_stream_end(track.stream) or 0.0 for track in tracks]
    hint = max(ends) or _seconds(container.duration)
    size = os.fstat(file.fileno()).st_size
    unasked = selection.track in (None, ALL, EACH)
    media = Media(
        file=file,
        begin=begin,
        end=end,
        container=container,
        tracks=tracks,
        left_out=tuple(track for track in tracks_of(container) if track not in tracks) if unasked else (),
        container_name=name,
        origin=0.0 if name in ZERO_BASED else _seconds(container.start_time),
        hint=None if hint is None else hint * size / (end - begin),
        announced=tuple(_announced(container, track.stream, name) if exact else None for track in tracks),
        bytes_missing=bytes_missing(head, size),
        goes_on=goes_on,
    )
    for track in (*media.tracks, *media.left_out):
        _set_up(track)
    return media


def _set_up(track: Track) -> None:
    if track.readable:
        codec = track.stream.codec_context
        codec.thread_count = 1
        codec.options = dict(_DECODER_OPTIONS.get(codec.codec.name, {}))


def _open(file: FileIO, begin: int, end: int, options: Mapping[str, str] = _NONE, **named: Any) -> InputContainer:
    try:
        opened: InputContainer = av.open(
            _Bytes(file, begin, end),
            "r",
            container_options={**_OPTIONS, **options},
            buffer_size=_BUFFER_BYTES,
            metadata_errors="replace",
            io_open=_refuse_to_open,
            **named,
        )
        return opened
    except FFmpegError as error:
        if isinstance(error, MemoryError):
            raise ChildError(CorruptAudio.code, _TOO_MUCH) from error
        head = os.pread(file.fileno(), HEAD_SIZE, begin)
        if (container := known_start(head)) is not None:
            text = f"The file begins like {container} audio, but it cannot be read: {error.strerror}."
            raise ChildError(CorruptAudio.code, text) from error
        raise ChildError(UnsupportedFormat.code, unknown(head)) from error


def _refuse_to_open(*_: object) -> NoReturn:
    """Refuse to open; FFmpeg calls this for every further file or URL that a demuxer wants to open."""
    raise ChildError(UnsupportedFormat.code, "The file refers to other files, which are never opened.")


def _announced(container: InputContainer, stream: AudioStream, name: str) -> float | None:
    if name != "matroska":
        return _stream_end(stream)
    # Matroska states one length for all streams. It is the length of the audio only if there is no other stream.
    return _seconds(container.duration) if len(container.streams) == 1 else None


def _stream_end(stream: AudioStream) -> float | None:
    if stream.duration is None or stream.time_base is None:
        return None
    start = stream.start_time or 0 if main_name(stream.container.format.name) in ZERO_BASED else 0
    return float((start + stream.duration) * stream.time_base)


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1_000_000
