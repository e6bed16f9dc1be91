"""Opens a file with FFmpeg (by PyAV) for reading only. Runs in the decoder child only."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from io import FileIO
from typing import Any, NoReturn

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from dictograph.audio.containers import (
    DECODERS,
    DEMUXERS,
    HEAD_SIZE,
    ZERO_BASED,
    bytes_missing,
    known_start,
    main_name,
    states_length,
    tag_size,
    why_not_audio,
)
from dictograph.audio.trailing_audio import goes_on, unread
from dictograph.audio.unreadable_tracks import why_unreadable
from dictograph.child.loop import ChildError
from dictograph.errors import CorruptAudio, NoAudioStream, UnsupportedFormat

_BUFFER_BYTES = 2**17

#: The message when FFmpeg finds too many streams, or is to allocate more memory than there is.
_TOO_MUCH = "The file cannot be opened: it announces more streams, or larger parts, than any audio has."

_UNSUPPORTED = "The file is in no audio or video format that is accepted."

_OPTIONS = {
    "format_whitelist": ",".join(sorted(DEMUXERS)),
    "codec_whitelist": ",".join(sorted(DECODERS)),
    # The bytes come from Python, so FFmpeg needs no protocol.
    "protocol_whitelist": "",
    "enable_drefs": "0",
    "use_absolute_path": "0",
}

#: A frame with a wrong checksum decodes to noise at full scale. It is better to have no samples.
_DECODER_OPTIONS = {"flac": {"err_detect": "crccheck+explode"}}


@dataclass(frozen=True, slots=True)
class Media:
    """An opened file and the one stream to decode.

    `origin` is the container's time in seconds that counts as time zero; None: the time of the first frame. `hint` is
    the likely length of the audio; `announced` its exact length from a header that is no estimate. Both are in seconds
    from time zero. `bytes_missing` is the number of bytes that the file lacks according to its header; `goes_on` says
    whether it has more bytes than its header says.
    """

    file: FileIO
    container: InputContainer
    stream: AudioStream
    container_name: str
    codec_name: str
    origin: float | None
    hint: float | None
    announced: float | None
    bytes_missing: int
    goes_on: bool

    def unread(self, read_to: int) -> int:
        """Return how many bytes follow the last packet, which ends at `read_to`, if they may be audio; else 0."""
        return unread(self.file, self.container_name, read_to)


class _Bytes:
    """A file as FFmpeg sees it: bytes and positions, without a name."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self.read = file.read
        self.tell = file.tell

    def seek(self, offset: int, whence: int) -> int:
        """Seek to a position. For an impossible position, return a negative error number, as FFmpeg's own files do.

        Damaged files contain positions before their beginning and far beyond their end. FFmpeg can handle the error
        number, but an exception from here would end the decoding.
        """
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL


def open_media(file: FileIO) -> Media:
    """Open `file` and choose its audio stream.

    Raises:
        ChildError: unsupported_format, no_audio_stream or corrupt_audio, with a message.
    """
    av.logging.set_level(None)
    head = os.pread(file.fileno(), HEAD_SIZE, 0)
    if (reason := why_not_audio(head)) is not None:
        raise ChildError(UnsupportedFormat.code, reason)
    more = goes_on(file)
    container = _open(file, head, {"ignore_length": "1"} if more else {})
    stream = _best_audio(container)
    codec = stream.codec_context
    codec.thread_count = 1
    codec.options = dict(_DECODER_OPTIONS.get(codec.codec.name, {}))
    name = main_name(container.format.name)
    if (reason := why_unreadable(file, name, container.metadata)) is not None:
        raise ChildError(UnsupportedFormat.code, reason)
    body = os.pread(file.fileno(), HEAD_SIZE, tag_size(head))
    return Media(
        file=file,
        container=container,
        stream=stream,
        container_name=name,
        codec_name=codec.name,
        origin=0.0 if name in ZERO_BASED else _seconds(container.start_time),
        hint=_stream_end(stream) or _seconds(container.duration),
        announced=_announced(container, stream, name) if states_length(name, body) else None,
        bytes_missing=bytes_missing(head, os.fstat(file.fileno()).st_size),
        goes_on=more,
    )


def _open(file: FileIO, head: bytes, options: dict[str, str]) -> InputContainer:
    try:
        return av.open(
            _Bytes(file),
            "r",
            container_options=_OPTIONS | options,
            buffer_size=_BUFFER_BYTES,
            metadata_errors="replace",
            io_open=_refuse_to_open,
        )
    except FFmpegError as error:
        if isinstance(error, MemoryError):
            raise ChildError(CorruptAudio.code, _TOO_MUCH) from error
        if (container := known_start(head)) is not None:
            text = f"The file begins like {container} audio, but it cannot be read: {error.strerror}."
            raise ChildError(CorruptAudio.code, text) from error
        raise ChildError(UnsupportedFormat.code, _UNSUPPORTED) from error


def _refuse_to_open(*_: object) -> NoReturn:
    """Refuse to open; FFmpeg calls this for every further file or URL that a demuxer wants to open."""
    raise ChildError(UnsupportedFormat.code, "The file refers to other files, which are never opened.")


def _best_audio(container: InputContainer) -> AudioStream:
    best = container.streams.best("audio")
    candidates = [*([best] if isinstance(best, AudioStream) else []), *container.streams.audio]
    if not candidates:
        raise ChildError(NoAudioStream.code, "The file holds no audio.")
    for stream in candidates:
        if _decoder_of(stream) in DECODERS:
            return stream
    name = _decoder_of(candidates[0]) or "an unknown codec"
    raise ChildError(UnsupportedFormat.code, f"The audio in the file is encoded as {name}, which cannot be decoded.")


def _decoder_of(stream: AudioStream) -> str | None:
    # PyAV's types do not show that a stream without a built-in decoder has no codec context.
    context: Any = stream.codec_context
    return None if context is None else str(context.codec.name)


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
