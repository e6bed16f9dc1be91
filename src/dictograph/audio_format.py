"""What all sound is inside of Dictograph: mono, 16 kHz, int16.

Beside everything else, so that a decoder's process needs no library of numbers to know it: one is
started for each job, and is ready in half the time without.
"""

from __future__ import annotations

#: Samples per second of everything that an engine hears.
SAMPLE_RATE = 16_000

#: Bytes of one sample.
SAMPLE_BYTES = 2
