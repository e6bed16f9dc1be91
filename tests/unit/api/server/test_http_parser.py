"""Requests are read in steps of bounded cost."""

from __future__ import annotations

import contextlib
from typing import Any

import h11
import pytest

from dictograph.api.server.http_parser import StepwiseParser
from dictograph.errors import RequestError

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def parser(sent: bytes) -> StepwiseParser:
    one = StepwiseParser(32 * 1024)
    one.receive_data(sent)
    return one


def step(one: StepwiseParser, *, in_turn: bool = True) -> list[Any]:
    """The events of one step."""
    one.begin_step(in_turn=in_turn)
    events: list[Any] = []
    while (event := one.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        events.append(event)
    return events


def all_steps(one: StepwiseParser) -> list[list[Any]]:
    steps = [step(one)]
    while one.has_more:
        steps.append(step(one))
    return steps


def body_of(steps: list[list[Any]]) -> bytes:
    return b"".join(event.data for events in steps for event in events if isinstance(event, h11.Data))


def test_chunks_are_read_a_few_at_a_time_and_only_by_turns() -> None:
    one = parser(CHUNKED + b"1\r\nx\r\n" * 2000 + b"0\r\n\r\n")
    assert [type(event) for event in step(one, in_turn=False)] == [h11.Request]
    assert one.has_more
    assert step(one, in_turn=False) == []
    steps = all_steps(one)
    assert body_of(steps) == b"x" * 2000
    assert max(map(len, steps)) <= 64
    assert isinstance(steps[-1][-1], h11.EndOfMessage)


def test_a_plain_body_is_read_at_once() -> None:
    size = 256 * 1024
    one = parser(HEAD + b"content-length: %d\r\n\r\n" % size + b"x" * size)
    events = step(one, in_turn=False)
    assert len(body_of([events])) == size
    assert not one.has_more


def test_after_2048_chunks_of_less_than_16_bytes_it_is_enough() -> None:
    one, chunks = parser(CHUNKED + b"1\r\nx\r\n" * 43_690), 0
    with contextlib.suppress(h11.RemoteProtocolError):
        while chunks < 43_690:
            chunks += sum(isinstance(event, h11.Data) for event in step(one))
    assert one.fault is not None
    assert one.fault.code == "absurd_chunking"
    assert chunks <= 2048


def test_small_packets_of_audio_pass() -> None:
    one = parser(CHUNKED + (b"14\r\n" + b"x" * 20 + b"\r\n") * 10_000 + b"0\r\n\r\n")
    assert len(body_of(all_steps(one))) == 200_000


@pytest.mark.parametrize("size", [1, 100, 16 * 1024, 200_000])
def test_bytes_arrive_as_they_were_sent_however_they_are_cut(size: int) -> None:
    sent = bytes(range(256)) * 1000
    stream = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (sent[:77], sent[77:])) + b"0\r\n\r\n"
    one, steps = StepwiseParser(32 * 1024), list[list[Any]]()
    for at in range(0, len(stream), size):
        one.receive_data(stream[at : at + size])
        steps += all_steps(one)
    assert body_of(steps) == sent


@pytest.mark.parametrize("lines", [b"a: b\r\n" * 200, b"a:\n" * 200, b"a: " + b"x" * 200_000 + b"\r\n"])
def test_a_head_that_comes_whole_has_the_same_limits(lines: bytes) -> None:
    with pytest.raises(h11.RemoteProtocolError):
        step(parser(b"GET / HTTP/1.1\r\nhost: x\r\n" + lines + b"\r\n"))


def test_a_head_of_too_many_lines_is_told_so() -> None:
    one = parser(b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 200 + b"\r\n")
    with pytest.raises(h11.RemoteProtocolError):
        step(one)
    assert isinstance(one.fault, RequestError)
    assert "128 headers" in one.fault.message


def test_lines_of_a_body_are_no_headers() -> None:
    body = b"x\r\n" * 1000
    one = parser(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert body_of([step(one)]) == body


def test_trailers_have_the_limits_of_a_head() -> None:
    one = parser(CHUNKED + b"0\r\n" + b"a: " + b"x" * 200_000 + b"\r\n\r\n")
    with pytest.raises(h11.RemoteProtocolError):
        all_steps(one)


def test_a_request_behind_another_waits_for_its_turn() -> None:
    one = parser(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 2)
    assert [type(event) for event in step(one, in_turn=False)] == [h11.Request, h11.EndOfMessage]
    one.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
    one.send(h11.EndOfMessage())
    one.start_next_cycle()
    assert step(one, in_turn=False) == []
    assert one.has_more
    assert [type(event) for event in step(one)] == [h11.Request, h11.EndOfMessage]


def test_what_nobody_has_read_is_handed_on() -> None:
    rest = b"x" * 100_000
    one = parser(b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n" + rest)
    step(one)
    assert one.trailing_data == (rest, False)
