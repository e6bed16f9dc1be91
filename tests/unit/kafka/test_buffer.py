"""What was received and is not handed over yet."""

from __future__ import annotations

from dictograph.broker import Incoming, Partition
from dictograph.kafka.buffer import MOST, Buffer


def message(offset: int, partition: int = 0, value: bytes | None = b"v") -> Incoming:
    return Incoming("jobs", partition, offset, None, value)


def offsets(messages: list[Incoming]) -> list[int]:
    return [one.offset for one in messages]


def test_what_came_first_is_taken_first_and_no_more_than_asked() -> None:
    buffer = Buffer()
    for offset in range(4):
        buffer.add(message(offset))
    assert offsets(buffer.take(0)) == []
    assert offsets(buffer.take(3)) == [0, 1, 2]
    assert offsets(buffer.take(3)) == [3]
    assert not buffer


def test_it_is_full_of_messages_or_of_bytes_until_some_are_taken() -> None:
    many, large = Buffer(), Buffer()
    for offset in range(MOST):
        assert not many.full
        many.add(message(offset, value=None))
    for offset in range(8):
        assert not large.full
        large.add(message(offset, value=b"x" * 2**20))
    assert (many.full, large.full) == (True, True)
    many.take(1)
    large.take(1)
    assert (many.full, large.full) == (False, False)


def test_a_partition_that_goes_takes_its_messages_with_it() -> None:
    buffer = Buffer()
    for offset in range(8):
        buffer.add(message(offset, partition=offset % 2, value=b"x" * 2**20))
    buffer.forget([Partition("jobs", 0)])
    assert not buffer.full
    assert offsets(buffer.take(9)) == [1, 3, 5, 7]
