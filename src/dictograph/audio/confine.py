"""What a decoder process may do at all. The one place where it gives up its rights."""

from __future__ import annotations

import contextlib
import sys

from dictograph.audio.pcm import SAMPLE_BYTES
from dictograph.engine.protocol import SAMPLE_RATE

#: Descriptors: the pipes, the two files, and the libraries while they are loaded.
_OPEN_FILES = 64

#: Beyond the samples themselves, in bytes.
_FILE_SLACK = 2**20


def confine(max_seconds: float) -> None:
    """Limit this process to what decoding `max_seconds` of audio takes. There is no way back.

    No core dump (it would hold somebody's audio), few open files, no file longer than the samples.
    """
    if sys.platform == "win32":
        return
    import resource

    file_size = int(max_seconds * SAMPLE_RATE) * SAMPLE_BYTES + _FILE_SLACK
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: _OPEN_FILES, resource.RLIMIT_FSIZE: file_size}
    for kind, limit in limits.items():
        # A limit that is lower already (an administrator's) stays.
        with contextlib.suppress(ValueError, OSError):
            _, hard = resource.getrlimit(kind)
            wanted = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(kind, (wanted, wanted))
