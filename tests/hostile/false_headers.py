"""Headers that lie about length, rate, channels and time, and what is to become of each file."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping

from tests.hostile.boxes import RATE, aiff, cluster, element, matroska, ogg_pages, sealed, tone, track, wave

CORRUPT, UNSUPPORTED = "corrupt_audio", "unsupported_format"

#: The code of the error, or how many seconds of audio there have to be: at least, at most.
Expected = str | tuple[float, float]

#: A second that was there is all that may come of it.
ONE = (0.9, 1.2)
NO_MORE = (0.0, 1.2)

_SECOND = tone(1)


def _rate(exponent: int, mantissa: int) -> bytes:
    return struct.pack(">HQ", exponent, mantissa)


HONEST_RATE = _rate(16383 + 13, RATE << 50)

WAVES: Mapping[str, tuple[bytes, Expected]] = {
    "the data has 4 GiB": (wave(_SECOND, stated=2**32 - 1), ONE),
    "the data has nearly 4 GiB": (wave(_SECOND, stated=2**32 - 10), ONE),
    "the data has no byte": (wave(_SECOND, stated=0), ONE),
    "the data has one byte": (wave(_SECOND, stated=1), CORRUPT),
    "the file has no byte": (wave(_SECOND, whole=0), ONE),
    "half a sample": (wave(_SECOND[:-1]), ONE),
    "a rate of 0": (wave(_SECOND, rate=0), CORRUPT),
    "a rate of 1": (wave(_SECOND, rate=1), CORRUPT),
    "a rate of 999": (wave(_SECOND, rate=999), CORRUPT),
    "a rate of 1,000, which may be": (wave(_SECOND, rate=1_000), (15.9, 16.1)),
    "a rate of 10 million": (wave(_SECOND, rate=10_000_019), CORRUPT),
    "a rate of a billion": (wave(_SECOND, rate=999_999_937), CORRUPT),
    "a rate of 2 billion": (wave(_SECOND, rate=2**31 - 1), CORRUPT),
    "a rate of 4 billion": (wave(_SECOND, rate=2**32 - 1), CORRUPT),
    "no channel": (wave(_SECOND, channels=0), CORRUPT),
    "255 channels": (wave(_SECOND * 20, channels=255), CORRUPT),
    "65,535 channels": (wave(_SECOND, channels=65_535, align=2), CORRUPT),
    "no bits": (wave(_SECOND, bits=0), UNSUPPORTED),
    "255 bits": (wave(_SECOND, bits=255), UNSUPPORTED),
    "no alignment": (wave(_SECOND, align=0), ONE),
    "an alignment of 65,535": (wave(_SECOND, align=65_535), ONE),
    "an unknown codec": (wave(_SECOND, code=0x7777), UNSUPPORTED),
    "samples that should be AAC": (wave(_SECOND, code=0xFF), CORRUPT),
}

AIFFS: Mapping[str, tuple[bytes, Expected]] = {
    "honest": (aiff(_SECOND, HONEST_RATE), ONE),
    "not a number": (aiff(_SECOND, _rate(0x7FFF, 3 << 62)), CORRUPT),
    "infinite": (aiff(_SECOND, _rate(0x7FFF, 1 << 63)), CORRUPT),
    "negative": (aiff(_SECOND, _rate(0x8000 | 16396, RATE << 50)), CORRUPT),
    "zero": (aiff(_SECOND, bytes(10)), CORRUPT),
    "one": (aiff(_SECOND, _rate(16383, 1 << 63)), CORRUPT),
    "minus one channel": (aiff(_SECOND, HONEST_RATE, channels=-1), CORRUPT),
    "32,767 bits": (aiff(_SECOND, HONEST_RATE, bits=32_767), CORRUPT),
    "4 billion frames": (aiff(_SECOND, HONEST_RATE, frames=2**32 - 1), CORRUPT),
}


def _long(seconds: float) -> bytes:
    return element(b"\x44\x89", struct.pack(">d", seconds * 1000))


MATROSKAS: Mapping[str, tuple[bytes, Expected]] = {
    "honest": (matroska([cluster(0, _SECOND)]), ONE),
    "lasts for ages": (matroska([cluster(0, _SECOND)], info=_long(1e300)), ONE),
    "lasts no number": (matroska([cluster(0, _SECOND)], info=_long(math.nan)), ONE),
    "a rate of 1": (matroska([cluster(0, _SECOND)], tracks=track(1, rate=1)), CORRUPT),
    "a rate without end": (matroska([cluster(0, _SECOND)], tracks=track(1, rate=math.inf)), (0.9, 2.1)),
    "a rate that is no number": (matroska([cluster(0, _SECOND)], tracks=track(1, rate=math.nan)), (0.9, 2.1)),
    "2 billion channels": (matroska([cluster(0, _SECOND)], tracks=track(1, channels=2**31)), CORRUPT),
    "one block of 80 MB": (matroska([cluster(0, bytes(80_000_000))]), CORRUPT),
    "one block of an hour": (matroska([cluster(0, bytes(7_200_000))], tracks=track(1, rate=1_000)), CORRUPT),
    "times at the end of time": (
        matroska([cluster(time, _SECOND) for time in (0, 2**62, 2**63 + 5, 10)]),
        (3.9, 4.1),
    ),
    "three hours of nothing": (matroska([cluster(time, _SECOND) for time in (0, 3 * 3_600_000)]), (1.9, 2.1)),
    # What was silent may be an hour, and a minute for each second of sound: here there is half a second.
    "a day of pieces": (matroska([cluster(n * 3_540_000, tone(0.02)) for n in range(24)]), (3_500, 3_630)),
    "to and fro": (matroska([cluster(n % 2 * 3_500_000, tone(0.02)) for n in range(100)]), (3_500, 3_730)),
}


def flacs(flac: bytes) -> Mapping[str, tuple[bytes, Expected]]:
    """Lies in the header of a FLAC file of one second."""

    def info(*, rate: int = RATE, total: int = RATE, least: int = 4096, most: int = 4096) -> bytes:
        value = int.from_bytes(flac[18:26], "big") & ~(0xFFFFF << 44) & ~(2**36 - 1)
        sizes = struct.pack(">HH", least, most)
        return flac[:8] + sizes + flac[12:18] + (value | rate << 44 | total).to_bytes(8, "big") + flac[26:]

    return {
        "68 billion samples": (info(total=2**36 - 1), ONE),
        "one sample": (info(total=1), ONE),
        # The first frame has the rate of the header: what is silent in its place is not more than an hour.
        "a rate of 1": (info(rate=1), (0.0, 3_601)),
        "a rate of a million": (info(rate=2**20 - 1), NO_MORE),
        "blocks of 16": (info(least=16, most=16), CORRUPT),
        "blocks of 65,535": (info(least=65_535, most=65_535), ONE),
        "blocks of nothing": (info(least=0, most=0), CORRUPT),
    }


def oggs(opus: bytes) -> Mapping[str, tuple[bytes, Expected]]:
    """Positions that jump, in an Ogg file of one second."""

    def moved(move: Callable[[int, bool], int]) -> bytes:
        pages = ogg_pages(opus)
        for page in pages[2:]:
            (position,) = struct.unpack("<q", page[6:14])
            page[6:14] = struct.pack("<q", move(position, page is pages[-1]))
        return b"".join(sealed(page) for page in pages)

    return {
        "honest": (moved(lambda position, last: position), ONE),
        "ten years on": (moved(lambda position, last: position + 48_000 * 86_400 * 3_650), ONE),
        "the end is three hours on": (moved(lambda position, last: 48_000 * 10_800 if last else position), NO_MORE),
        "backwards": (moved(lambda position, last: 10_000_000 - position), NO_MORE),
        "the last position there is": (moved(lambda position, last: 2**63 - 1), CORRUPT),
    }


def movies(movie: bytes) -> Mapping[str, tuple[bytes, Expected]]:
    """Lies in the index of an MP4 file of one second."""

    def lie(kind: bytes, offset: int, *values: int) -> bytes:
        at = movie.index(kind) + 4 + offset
        new = b"".join(struct.pack(">I", value) for value in values)
        return movie[:at] + new + movie[at + len(new) :]

    most = 2**32 - 1
    return {
        "lasts for a hundred years": (lie(b"mvhd", 16, 3_153_600_000), ONE),
        "its track lasts for ages": (lie(b"mdhd", 16, most), ONE),
        "a clock that stands": (lie(b"mdhd", 12, 0), NO_MORE),
        "begins in ages": (lie(b"elst", 4, 1, most, most), CORRUPT),
        "4 billion samples of one time": (lie(b"stts", 4, 1, most, 1), CORRUPT),
        "4 billion times": (lie(b"stts", 4, most, 1, 1), CORRUPT),
        "4 billion samples of one byte": (lie(b"stsz", 4, 1, most), CORRUPT),
        "4 billion sizes": (lie(b"stsz", 4, 0, most), CORRUPT),
        "4 billion places": (lie(b"stco", 4, most), NO_MORE),
        "samples an hour apart": (lie(b"stts", 4, 1, 16, RATE * 3_599), CORRUPT),
    }


def mp3s(mp3: bytes) -> Mapping[str, tuple[bytes, Expected]]:
    """Lies in the first frame of an MP3 file of one second."""
    at = max(mp3.find(b"Info"), mp3.find(b"Xing")) + 8
    most = struct.pack(">I", 2**32 - 1)
    return {
        "4 billion frames": (mp3[:at] + most + mp3[at + 4 :], ONE),
        "4 billion bytes": (mp3[: at + 4] + most + mp3[at + 8 :], ONE),
    }
