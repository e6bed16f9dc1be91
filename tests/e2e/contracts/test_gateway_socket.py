"""The gateway's contract over its WebSocket, with real clients and with bare bytes."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.asyncio.client import connect as connect_async
from websockets.sync.client import ClientConnection, connect

from tests.raw_websocket import CLOSE, PING, TEXT, all_of, close, dial, frame, handshake, heard, say
from tests.service import Service, service

TALK = Path(__file__).parents[3] / "src" / "dictograph" / "samples" / "count.wav"
STATUS = {"type": "get_status"}
DATA = {"status", "current_task", "queue_length", "uptime_minutes", "processed_count", "error_count"}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("gateway")
    with service(folder, listen="gateway@127.0.0.1:0,gateway@127.0.0.1:0", concurrency=1) as up:
        yield up.wait_until_ready()


def url(one: Service, path: str = "") -> str:
    return one.base.replace("http:", "ws:") + path


def upload(one: Service, file: Path, name: str = "talk.wav") -> str:
    answer = requests.post(f"{one.base}/upload", files={"file": (name, file.read_bytes())}, timeout=30)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["request_id"])


def told(client: ClientConnection, seconds: float = 20) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(client.recv(timeout=seconds))
    return message


def told_until(client: ClientConnection, kind: str) -> list[dict[str, Any]]:
    messages = [told(client)]
    while messages[-1]["type"] != kind:
        messages.append(told(client))
    return messages


def check_status(data: dict[str, Any]) -> None:
    assert data.keys() == DATA
    assert data["status"] in ("idle", "processing")
    assert all(isinstance(data[name], int | float) for name in DATA - {"status", "current_task"})
    if data["current_task"] is not None:
        assert data["current_task"].keys() == {"request_id", "filename", "started_at"}
        assert datetime.fromisoformat(data["current_task"]["started_at"]).tzinfo is None


@pytest.mark.contract("gateway", "WS /", "the conversation at this path")
@pytest.mark.contract("gateway", "WS /ws", "the same")
@pytest.mark.contract("gateway", "get_status", "a status_update, joined or not, within 5 s")
@pytest.mark.parametrize("path", ["", "/", "/ws"])
@pytest.mark.parametrize("origin", [None, "https://dashboard.example"])
def test_the_state_is_told_to_anybody(one: Service, path: str, origin: str | None) -> None:
    with connect(url(one, path), origin=origin) as client:  # type: ignore[arg-type] # a NewType of str
        client.send(json.dumps(STATUS))
        answer = told(client, 5)
    assert answer.keys() == {"type", "data"}
    assert answer["type"] == "status_update"
    check_status(answer["data"])


@pytest.mark.contract("gateway", "join", "joined, with the state as it is")
@pytest.mark.contract("gateway", "joined", "to every join; then what happens to the request")
@pytest.mark.contract("gateway", "status_update", "idle or processing, with the current task and figures")
@pytest.mark.contract("gateway", "transcription_complete", "figures, transcription and prompts, once the request ends")
def test_two_requests_from_their_queue_to_their_end(one: Service) -> None:
    one.behave(delay=2.5)
    first, second = upload(one, TALK), upload(one, TALK, "second.ogg")
    with connect(url(one)) as client:
        for request in (first, second):
            client.send(json.dumps({"type": "join", "request_id": request}))
        messages = told_until(client, "transcription_complete")
        one.behave()
        messages += told_until(client, "transcription_complete")
    joined = [message for message in messages if message["type"] == "joined"]
    assert [message["request_id"] for message in joined] == [first, second]
    assert all(message.keys() == {"type", "request_id", "current_status"} for message in joined)
    updates = [message["data"] for message in messages if message["type"] == "status_update"]
    seen = [*(message["current_status"] for message in joined), *updates]
    for data in seen:
        check_status(data)
    assert {first, second} <= {data["current_task"]["request_id"] for data in seen if data["current_task"]}
    end = messages[-1]
    assert end.keys() == {"type", "request_id", "status", "result", "completed_at"}
    assert (end["request_id"], end["status"]) == (second, "SUCCESS")
    result = end["result"]
    assert result["audio_duration_minutes"] == 0.05
    assert isinstance(result["transcription_word_count"], int)
    assert isinstance(result["estimated_reading_time_minutes"], float)
    assert set(result["prompts"]) == {"summary_tasks_and_todos", "presentation_structure", "journalistic_summary"}
    assert all(f"```\n{result['transcription']}\n```" in prompt for prompt in result["prompts"].values())
    moment = datetime.fromisoformat(end["completed_at"])
    assert moment.tzinfo is None
    assert len(end["completed_at"]) == len("2025-07-07T14:30:15.123456")


@pytest.mark.contract("gateway", "transcription_error", "why there is no transcript")
@pytest.mark.contract("gateway", "joined", "of a request that has ended: its last message follows at once")
def test_who_joins_late_hears_the_end_at_once(one: Service, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("This is no sound.\n" * 100)
    request = upload(one, tmp_path / "text", "test.mp3")
    with connect(url(one)) as client:
        client.send(json.dumps({"type": "join", "request_id": request}))
        end = told_until(client, "transcription_error")[-1]
        for _ in range(2):  # as often as it asks
            client.send(json.dumps({"type": "join", "request_id": request}))
            assert told(client)["type"] == "joined"
            assert told(client) == end
        client.send(json.dumps(STATUS))
        assert told(client)["data"]["error_count"] >= 1
    assert end.keys() == {"type", "request_id", "status", "error", "failed_at"}
    assert (end["request_id"], end["status"]) == (request, "FAILURE")
    assert end["error"] == "Audio file is corrupted or unreadable"
    assert datetime.fromisoformat(end["failed_at"]).tzinfo is None


@pytest.mark.contract("gateway", "error", "bad JSON, an unknown type, a missing id; the connection stays open")
def test_what_cannot_be_understood(one: Service) -> None:
    bad: list[str | bytes] = [
        "{",
        "",
        "[]",
        "null",
        '"join"',
        "{}",
        '{"type": "dance"}',
        '{"type": ["join"]}',
        '{"type": "\\ud800"}',
        '{"type": "join"}',
        '{"type": "join", "request_id": null}',
        '{"type": "join", "request_id": 7}',
        '{"type": "join", "request_id": "../x"}',
        "[" * 2000,
        b"\x00\x01",
    ]
    with connect(url(one)) as client:
        for message in bad:
            client.send(message)
            answer = told(client)
            assert answer.keys() == {"type", "error"}, message
            assert answer["type"] == "error"
            assert answer["error"]
        client.send(json.dumps(STATUS))
        assert told(client)["type"] == "status_update"


@pytest.mark.contract("gateway", "join", "by many clients at once, each told alike")
def test_many_clients_join_one_request(one: Service) -> None:
    one.behave(delay=0.5)
    request = upload(one, TALK)

    async def follow() -> dict[str, Any]:
        async with connect_async(url(one, "/ws")) as client:
            await client.send(json.dumps({"type": "join", "request_id": request}))
            async for text in client:
                message: dict[str, Any] = json.loads(text)
                if message["type"] == "transcription_complete":
                    return message
        raise AssertionError("closed before the end")

    async def all_follow() -> list[dict[str, Any]]:
        async with asyncio.timeout(60):
            return await asyncio.gather(*(follow() for _ in range(20)))

    ends = asyncio.run(all_follow())
    one.behave()
    assert all(end == ends[0] for end in ends)


QUESTION = say(STATUS)

#: Pieces that are each sent at once, and whether the sending side is then shut down.
HASTY = {
    "all in one": ([b"HANDSHAKE" + QUESTION + close()], False),
    "frame and close together": ([b"HANDSHAKE", QUESTION + close()], False),
    "frame, then close": ([b"HANDSHAKE", QUESTION, close()], False),
    "all in one, and the end": ([b"HANDSHAKE" + QUESTION + close()], True),
    "no close frame": ([b"HANDSHAKE" + QUESTION], True),
    "frame, then the end": ([b"HANDSHAKE", QUESTION], True),
    "a close without a code": ([b"HANDSHAKE", QUESTION + frame(CLOSE)], False),
    "a ping between": ([b"HANDSHAKE", QUESTION + frame(PING, b"hi") + close()], False),
    "a close that comes in two": ([b"HANDSHAKE", QUESTION + close()[:3], close()[3:]], True),
    "half a close": ([b"HANDSHAKE", QUESTION + close()[:3]], True),
}


@pytest.mark.contract("gateway", "get_status", "answered to a client that sends it and closes at once")
@pytest.mark.parametrize("name", HASTY)
def test_a_client_that_closes_at_once_gets_its_answer(one: Service, name: str) -> None:
    pieces, ends = HASTY[name]
    with dial(one.base) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            raw.sendall(piece.replace(b"HANDSHAKE", handshake(one.base)))
        if ends:
            raw.shutdown(socket.SHUT_WR)
        messages, code = heard(all_of(raw))
    assert [message["type"] for message in messages] == ["status_update"]
    assert code is not None


@pytest.mark.contract("gateway", "joined", "to a client that joins and closes at once, with the end if there is one")
def test_several_frames_before_a_close_are_all_answered(one: Service) -> None:
    request = upload(one, TALK)
    with connect(url(one)) as client:
        client.send(json.dumps({"type": "join", "request_id": request}))
        told_until(client, "transcription_complete")
    with dial(one.base) as raw:
        join = say({"type": "join", "request_id": request})
        raw.sendall(handshake(one.base) + join + frame(TEXT, "?") + QUESTION + close())
        messages, code = heard(all_of(raw))
    assert [message["type"] for message in messages] == ["joined", "transcription_complete", "error", "status_update"]
    assert code == 1000
