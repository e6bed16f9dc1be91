"""What is written is what is read; what is no frame is refused before anything is allocated for it."""

from __future__ import annotations

import asyncio
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.child.frames import (
    MAX_BODY,
    MAX_HEADER,
    BrokenFrame,
    Frame,
    encode,
    read_frame,
    receive_frame,
    write_frame,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
frames = st.builds(Frame, st.dictionaries(st.text(), values, max_size=4), st.binary())


async def received(data: bytes) -> list[Frame]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    found = []
    while (frame := await receive_frame(reader)) is not None:
        found.append(frame)
    return found


@given(sent=st.lists(frames, max_size=4))
def test_frames_arrive_as_they_were_sent(sent: list[Frame]) -> None:
    stream = io.BytesIO()
    for frame in sent:
        write_frame(stream, frame)
    stream.seek(0)
    assert [read_frame(stream) for _ in sent] == sent
    assert read_frame(stream) is None
    assert asyncio.run(received(stream.getvalue())) == sent


@given(frame=frames, data=st.data())
def test_a_frame_cut_short_is_no_frame(frame: Frame, data: st.DataObject) -> None:
    whole = encode(frame)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(BrokenFrame, match="in the middle"):
        read_frame(io.BytesIO(cut))
    assert asyncio.run(received(cut)) == []


@pytest.mark.parametrize("sizes", [(MAX_HEADER + 1, 0), (2, MAX_BODY + 1), (2**32 - 1, 2**32 - 1)])
def test_lengths_over_the_limit_are_refused_at_once(sizes: tuple[int, int]) -> None:
    data = struct.pack(">II", *sizes)
    with pytest.raises(BrokenFrame, match="over the limit"):
        read_frame(io.BytesIO(data))
    with pytest.raises(BrokenFrame, match="over the limit"):
        asyncio.run(received(data))


@pytest.mark.parametrize("header", [b"{", b"[]", b"\xff", b"1", b"[" * 2**16])
def test_a_header_is_a_json_object(header: bytes) -> None:
    with pytest.raises(BrokenFrame, match="header is not"):
        read_frame(io.BytesIO(struct.pack(">II", len(header), 0) + header))


def test_what_json_cannot_say_is_an_error_of_the_sender() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(Frame({"x": float("nan")}))
