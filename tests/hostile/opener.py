"""Opening files with some of our own guards taken away: `python -m tests.hostile.opener GUARDS DEMUXER FILE …`.

GUARDS are those that stay, of "text,formats,protocols" ("-": none). Each FILE has before it the demuxer that FFmpeg is
made to use, as if the file had talked it into that. Tells on a line what happened, as JSON: {"sound": loudness} or
{"refused": why}. No sandbox holds this process: what it cannot do is due to the guards alone.
"""

from __future__ import annotations

import functools
import json
import sys
from io import FileIO
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.error import FFmpegError

from dictograph.audio import media
from dictograph.child.loop import ChildError

_OURS = dict(media._OPTIONS)

#: What makes FFmpeg's demuxers as trusting as they can be.
_TRUSTING = {
    "hls": {"allowed_extensions": "ALL", "extension_picky": "0", "allowed_segment_extensions": "ALL"},
    "concat": {"safe": "0"},
    "mov": {"enable_drefs": "1", "use_absolute_path": "1"},
}
_PROTOCOLS = ("protocol_whitelist", "enable_drefs", "use_absolute_path")


def main(guards: str, *files: str) -> None:
    """Open the files, and say of each how loud it is."""
    kept = guards.split(",")
    without = pytest.MonkeyPatch()
    if "text" not in kept:
        without.setattr(media, "why_not_audio", lambda _: None)
    if "protocols" not in kept:
        without.setattr(media, "_refuse_to_open", None)
    for demuxer, file in zip(files[::2], files[1::2], strict=True):
        media._OPTIONS.clear()
        media._OPTIONS.update(_options(kept, demuxer))
        opened = functools.partial(av.open, format=demuxer, timeout=5)
        without.setattr(media, "av", SimpleNamespace(open=opened, logging=av.logging))
        print(json.dumps(_outcome(file)))


def _options(kept: list[str], demuxer: str) -> dict[str, str]:
    options = {**_TRUSTING[demuxer], "protocol_whitelist": "file,http,tcp,data,concat,subfile"}
    if "formats" in kept:
        options["format_whitelist"] = _OURS["format_whitelist"]
    if "protocols" in kept:
        options.update({name: _OURS[name] for name in _PROTOCOLS})
    return options


def _outcome(file: str) -> dict[str, object]:
    try:
        with FileIO(file) as source:
            opened = media.open_media(source)
            heard = [frame.to_ndarray().astype(np.float64).ravel() for frame in opened.container.decode(opened.stream)]
    except (ChildError, FFmpegError) as error:
        return {"refused": str(error)}
    return {"sound": float(np.abs(np.concatenate(heard)).max()) if heard else 0.0}


if __name__ == "__main__":
    main(*sys.argv[1:])
