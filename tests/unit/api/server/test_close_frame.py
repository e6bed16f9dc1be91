"""Where a client's close frame begins."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from dictograph.api.server.close_frame import CloseFrameSplitter

CLOSE = Frame(Opcode.CLOSE, b"\x03\xe8bye").serialize(mask=True)

frames = st.builds(
    lambda opcode, data: Frame(opcode, data).serialize(mask=True),
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    st.one_of(st.binary(max_size=200), st.integers(126, 70_000).map(lambda size: b"\x88" * size)),
)


def divided(pieces: list[bytes]) -> tuple[bytes, bytes]:
    ending, before = CloseFrameSplitter(), b""
    for number, piece in enumerate(pieces):
        some, last = ending.divide(piece)
        before += some
        if last:
            return before, last + b"".join(pieces[number + 1 :])
    return before, b""


@given(st.lists(frames, max_size=5), st.lists(st.integers(0, 100_000), max_size=8))
def test_it_is_found_however_the_bytes_are_cut(sent: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(sent) + CLOSE
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert divided(pieces) == (b"".join(sent), CLOSE)


@given(st.lists(frames, max_size=5))
def test_without_one_all_is_passed_on(sent: list[bytes]) -> None:
    assert divided([b"".join(sent)]) == (b"".join(sent), b"")


def test_no_byte_is_kept_back() -> None:
    frame = Frame(Opcode.TEXT, b"x" * 300).serialize(mask=True)
    ending = CloseFrameSplitter()
    assert [ending.divide(frame[at : at + 1]) for at in range(len(frame))] == [
        (frame[at : at + 1], b"") for at in range(len(frame))
    ]
