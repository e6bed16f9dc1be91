"""The format of all audio inside Dictograph: mono, 16 kHz, int16.

This module imports nothing, so a decoder process needs no numeric library for it. A decoder process is started for
each job, and without such a library it is ready in half the time.
"""

from __future__ import annotations

#: Samples per second of all audio for engines.
SAMPLE_RATE = 16_000

#: Bytes of one sample.
SAMPLE_BYTES = 2
