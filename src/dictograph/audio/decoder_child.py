"""The decoder's process: `python -m dictograph.audio.decoder_child` decodes one file and ends.

It is sealed (see `Sandbox`): FFmpeg's libraries are imported here, at the top, since later no import is possible.

The request is {"source_fd", "pcm_fd", "max_seconds", "name"}: two descriptors that the process inherited, so that it
needs no path and no right to open files; `name` is how the user calls the file. Answers are {"samples",
"duration_hint"} now and then, and a last one {"samples", "container", "codec", "warnings"}.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import FileIO

# PyAV imports these by itself, but only when it meets a stream of their kind: too late.
import av.audio.codeccontext
import av.subtitles.codeccontext
import av.subtitles.stream
import av.video.codeccontext  # noqa: F401 - all four are for PyAV, not for this file

from dictograph.audio.bounds import OPENING_CPU_S, within
from dictograph.audio.decode_loop import DecodeLoop
from dictograph.audio.media import open_media
from dictograph.audio.pcm_writer import CannotWrite, PcmWriter, TooManySamples
from dictograph.child.frames import Frame
from dictograph.child.loop import ChildError, serve
from dictograph.errors import AudioTooLong, CorruptAudio, StorageFull


def handle(request: Frame) -> Iterator[Frame]:
    """Decode the file of a request. Raises a ChildError with the code of a DecodeError."""
    header = request.header
    max_seconds = float(header["max_seconds"])
    with FileIO(int(header["source_fd"]), "r") as source, FileIO(int(header["pcm_fd"]), "w") as pcm:
        try:
            yield from _decode(source, pcm, max_seconds, str(header.get("name", "")))
        except TooManySamples:
            text = f"The audio is longer than the limit of {max_seconds:.0f} seconds."
            raise ChildError(AudioTooLong.code, text) from None
        except CannotWrite as error:
            raise ChildError(StorageFull.code, f"The decoded samples cannot be written: {error}.") from error


def _decode(source: FileIO, pcm: FileIO, max_seconds: float, name: str) -> Iterator[Frame]:
    with within(OPENING_CPU_S):
        media = open_media(source, name)
    writer = PcmWriter(pcm, max_seconds)
    decoding = DecodeLoop(media, writer, max_seconds)
    hint = None if media.hint is None else min(max(media.hint, 0.0), max_seconds)
    for samples in decoding.run():
        yield Frame({"samples": samples, "duration_hint": hint})
    if not decoding.anything:
        text = f"Nothing in this {media.container_name} file could be decoded: it is damaged, or holds no sound."
        raise ChildError(CorruptAudio.code, text)
    summary = {
        "samples": writer.position,
        "container": media.container_name,
        "codec": media.codec_name,
        "warnings": [warning.as_dict() for warning in decoding.warnings()],
    }
    yield Frame({"decoded": summary})


if __name__ == "__main__":
    sys.exit(serve(handle))
