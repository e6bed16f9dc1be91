"""Real files, damaged at random from a seed: the same seed gives the same bytes, on every machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

#: What fields of lengths, counts and times are set to, of 1, 2, 4 and 8 bytes.
_EXTREMES = tuple(
    value.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for value in (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 2, 2 ** (8 * size) - 1)
    for order in ("big", "little")
)

#: Headers lie within so many bytes of the front, mostly.
_HEAD = 256


def mutations(data: bytes, seed: str, count: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged copies of `data`, each with the name of what was done to it."""
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        damage = chance.choice(_KINDS)
        changed = damage(data, chance)
        if chance.random() < 0.3:
            changed = chance.choice(_KINDS)(changed, chance)
        yield f"{seed}/{number}-{damage.__name__.strip('_')}", changed


def _flips(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 4, 16, 200))):
        changed[_place(data, chance)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _extremes(data: bytes, chance: random.Random) -> bytes:
    changed = data
    for _ in range(chance.choice((1, 1, 3))):
        at, value = _place(data, chance), chance.choice(_EXTREMES)
        changed = changed[:at] + value + changed[at + len(value) :]
    return changed


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: _place(data, chance)]


def _taken_out(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at + chance.choice((1, 3, 100, 2000)) :]


def _put_in(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.randbytes(chance.choice((1, 3, 100, 2000))) + data[at:]


def _swapped(data: bytes, chance: random.Random) -> bytes:
    first, second = sorted((_place(data, chance), _place(data, chance)))
    size = min(chance.choice((4, 64, 1000)), second - first)
    middle = data[first + size : second]
    return data[:first] + data[second : second + size] + middle + data[first : first + size] + data[second + size :]


def _repeated(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    block = data[at : at + chance.choice((4, 64, 1000))]
    return data[:at] + block * chance.choice((2, 50)) + data[at:]


def _random_behind_the_head(data: bytes, chance: random.Random) -> bytes:
    kept = chance.choice((4, 12, 64, 256, 1024))
    return data[:kept] + chance.randbytes(chance.choice((100, 5000, 20_000)))


def _noise_inside(data: bytes, chance: random.Random) -> bytes:
    at, size = _place(data, chance), chance.choice((16, 500, 4000))
    return data[:at] + chance.randbytes(size) + data[at + size :]


def _zeros_inside(data: bytes, chance: random.Random) -> bytes:
    at, size = _place(data, chance), chance.choice((4, 16, 500))
    return data[:at] + bytes(size) + data[at + size :]


def _place(data: bytes, chance: random.Random) -> int:
    """Somewhere in the file, as often as not in its head."""
    return chance.randrange(max(1, min(_HEAD, len(data)) if chance.random() < 0.5 else len(data)))


_KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flips, _extremes, _extremes, _cut, _taken_out, _put_in, _swapped, _repeated),
    *(_random_behind_the_head, _noise_inside, _zeros_inside),
)
