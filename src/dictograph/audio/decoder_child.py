"""The decoder's process: `python -m dictograph.audio.decoder_child` decodes one file and ends.

It is sealed (see `Sandbox`): FFmpeg's libraries are imported here, at the top, since later no import is possible.

The request is {"source_fd", "pcm_fds", "max_seconds", "name", "track", "channels"}: descriptors that the process
inherited, so that it needs no path and no right to open files; `name` is how the user calls the file, `track` and
`channels` are what is wanted of it (see `Selection`). Answers are {"samples", "reached", "outputs", "duration_hint"}
now and then, and a last one {"samples", "outputs", "container", "codec", "warnings"}.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from typing import Any

# PyAV imports these by itself, but only when it meets a stream of their kind: too late.
import av.audio.codeccontext
import av.subtitles.codeccontext
import av.subtitles.stream
import av.video.codeccontext  # noqa: F401 - all four are for PyAV, not for this file

from dictograph.audio.decode_loop import DecodeLoop
from dictograph.audio.pcm_writer import CannotWrite, PcmWriter, TooManySamples
from dictograph.audio.tracks.first_sound import open_with_sound
from dictograph.audio.tracks.selection import MIX, Selection
from dictograph.child.frames import Frame
from dictograph.child.loop import ChildError, serve
from dictograph.errors import AudioTooLong, CorruptAudio, StorageFull


def handle(request: Frame) -> Iterator[Frame]:
    """Decode the file of a request. Raises a ChildError with the code of a DecodeError."""
    header = request.header
    max_seconds = float(header["max_seconds"])
    selection = Selection(header.get("track"), str(header.get("channels", MIX)))
    with contextlib.ExitStack() as files:
        source = files.enter_context(FileIO(int(header["source_fd"]), "r"))
        pcm = [files.enter_context(FileIO(int(descriptor), "w")) for descriptor in header["pcm_fds"]]
        try:
            yield from _decode(source, [PcmWriter(file, max_seconds) for file in pcm], max_seconds, header, selection)
        except TooManySamples:
            text = f"The audio is longer than the limit of {max_seconds:.0f} seconds."
            raise ChildError(AudioTooLong.code, text) from None
        except CannotWrite as error:
            raise ChildError(StorageFull.code, f"The decoded samples cannot be written: {error}.") from error


def _decode(
    source: FileIO, writers: Sequence[PcmWriter], max_seconds: float, header: Mapping[str, Any], selection: Selection
) -> Iterator[Frame]:
    media = open_with_sound(source, str(header.get("name", "")), selection)
    decoding = DecodeLoop(media, writers, max_seconds, selection)
    hint = None if media.hint is None else min(max(media.hint, 0.0), max_seconds)
    outputs = len(decoding.outputs)
    for samples, reached in decoding.run():
        yield Frame({"samples": samples, "reached": reached, "outputs": outputs, "duration_hint": hint})
    if not decoding.anything:
        text = f"Nothing in this {media.container_name} file could be decoded: it is damaged, or holds no sound."
        raise ChildError(CorruptAudio.code, text)
    summary = {
        "samples": decoding.samples,
        "outputs": outputs,
        "container": media.container_name,
        "codec": media.codec_name,
        "warnings": [warning.as_dict() for warning in decoding.warnings()],
    }
    yield Frame({"decoded": summary})


if __name__ == "__main__":
    sys.exit(serve(handle))
