"""Find the links of a chained Ogg file: whole files, one behind the other (RFC 3533, section 4).

Radios write them, a link for each piece of music, and each link may have a codec, a rate and channels of its own.
FFmpeg reads on from link to link only where these stay the same. So each link is opened as a file. Runs in the
decoder child only.
"""

from __future__ import annotations

import os
import re
from io import FileIO
from typing import Final

#: The header of the first page of a stream: its third byte of flags, 2, says so.
_BEGINNING: Final = re.compile(rb"OggS\x00[\x02\x06]")
_MARK_BYTES: Final = 6
_FIRST_PAGE: Final = 2

#: How many streams one link may have side by side.
_MAX_STREAMS: Final = 1000
_CHUNK_BYTES: Final = 2**22


def end_of_link(file: FileIO, start: int) -> int:
    """Return where the link ends that begins at `start`: at the next one, or at the end of the file."""
    size = os.fstat(file.fileno()).st_size
    position = _behind_first_pages(file, start)
    while position < size:
        chunk = os.pread(file.fileno(), _CHUNK_BYTES + _MARK_BYTES, position)
        if (found := _BEGINNING.search(chunk)) is not None:
            return position + found.start()
        position += _CHUNK_BYTES
    return size


def _behind_first_pages(file: FileIO, start: int) -> int:
    """Return where the first pages of a link's streams end; they stand at its beginning, without another page."""
    position = start
    for _ in range(_MAX_STREAMS):
        head = os.pread(file.fileno(), 27 + 255, position)
        if len(head) < 27 or head[:4] != b"OggS" or not head[5] & _FIRST_PAGE:
            break
        position += 27 + head[26] + sum(head[27 : 27 + head[26]])
    return max(position, start + 1)
