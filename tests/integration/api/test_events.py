"""A job's events over SSE and WebSocket: no gap, no double, one end, and many readers at the cost of one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from dictograph.service.streams import event_stream
from dictograph.store.jobs import prune
from tests.integration.api.live import FakeWorker, Live, live
from tests.postgres import Cluster
from tests.service import eventually

JOBS = "/v1/transcriptions"
WHOLE = ["created", "started", "engine", "language", "plan", "plan", "segments", "segments", "completed"]


@pytest.fixture(params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> Iterator[Live]:
    """The application, on each of the databases."""
    if request.param == "sqlite":
        with live(tmp_path, migrated=migrated) as one:
            yield one
    else:
        cluster: Cluster = request.getfixturevalue("postgres")
        with live(tmp_path, database_url=cluster.new_database()) as one:
            yield one


@pytest.mark.parametrize("after", [2**31 - 1, 2**31, 10**15])
def test_after_an_event_that_never_was_comes_what_is_new(
    api: Live, client: httpx.Client, hand: FakeWorker, job: str, after: int
) -> None:
    hand.finish_one()
    assert client.get(f"{JOBS}/{job}/events", params={"after": after}).status_code == 204
    again = client.post(f"{JOBS}", files={"file": ("b.wav", b"y")}).json()["id"]
    with client.stream("GET", f"{JOBS}/{again}/events", params={"after": after}) as stream:
        hand.finish_one()
        found = [record["event"] for record in records(stream.iter_lines())]
    assert found[-1] == "completed"


@pytest.fixture
def job(client: httpx.Client) -> str:
    return str(client.post(JOBS, files={"file": ("a.wav", b"x")}).json()["id"])


def records(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The records of an SSE stream, each as it comes."""
    record: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            record[name] = json.loads(value) if name == "data" else value
        elif "event" in record:
            yield record
            record = {}


def stored(record: dict[str, Any]) -> bool:
    return "id" in record


def to_the_close(socket: ClientConnection) -> tuple[list[str | bytes], int]:
    """The frames that still come, and the code that the server closes with."""
    frames: list[str | bytes] = []
    while True:
        try:
            frames.append(socket.recv(10))
        except ConnectionClosed:
            return frames, socket.close_code or 0


def read_all(client: httpx.Client, job: str, **headers: str) -> list[dict[str, Any]]:
    with client.stream("GET", f"{JOBS}/{job}/events", headers=headers) as answer:
        assert answer.status_code == 200
        return list(records(answer.iter_lines()))


def test_a_stream_ends_with_the_job(client: httpx.Client, hand: FakeWorker, job: str) -> None:
    with client.stream("GET", f"{JOBS}/{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "no-cache" in answer.headers["cache-control"]
        coming = records(answer.iter_lines())
        assert next(coming)["event"] == "created"
        assert next(coming) == {"event": "queue", "data": {"position": 1, "eta": None}}
        hand.finish_one(2)
        rest = list(coming)
    assert [record["event"] for record in rest] == WHOLE[1:]
    assert [int(record["id"]) for record in rest] == list(range(2, 10))
    last = rest[-2]["data"]
    assert (last["index"], last["seconds_done"], last["duration"], last["progress"]) == (1, 20.0, 20.0, 0.999)
    assert last["segments"][0]["text"] == " word1"
    assert last["eta"] == 0.0


@pytest.mark.parametrize("way", ["header", "query"])
@pytest.mark.contract(
    "native", "GET /v1/transcriptions/{job_id}/events", "a reader that comes back misses and repeats nothing"
)
def test_a_reader_that_comes_back_misses_and_repeats_nothing(
    client: httpx.Client, hand: FakeWorker, job: str, way: str
) -> None:
    hand.claim()
    hand.freeze()
    hand.plan(2)
    seen: list[int] = []
    with client.stream("GET", f"{JOBS}/{job}/events") as answer:
        for record in records(answer.iter_lines()):
            seen.append(int(record["id"]))
            if len(seen) == 3:
                break
    hand.commit(0, 1)
    hand.complete()
    again: dict[str, Any] = {"headers": {"last-event-id": "3"}} if way == "header" else {"params": {"after": 3}}
    with client.stream("GET", f"{JOBS}/{job}/events", **again) as answer:
        seen += [int(record["id"]) for record in records(answer.iter_lines())]
    assert seen == list(range(1, 10))
    over = client.get(f"{JOBS}/{job}/events", headers={"last-event-id": "9"})
    assert (over.status_code, over.content) == (204, b"")


def test_a_retried_job_goes_on_after_its_end(client: httpx.Client, job: str) -> None:
    client.post(f"{JOBS}/{job}/cancel")
    assert [record["event"] for record in read_all(client, job)] == ["created", "cancelled"]
    client.post(f"{JOBS}/{job}/retry")
    with client.stream("GET", f"{JOBS}/{job}/events", headers={"last-event-id": "2"}) as answer:
        coming = records(answer.iter_lines())
        assert next(coming)["event"] == "retried"
        client.post(f"{JOBS}/{job}/cancel")
        assert [record["event"] for record in coming if stored(record)] == ["cancelled"]


def test_pruned_events_are_stood_in_for_by_a_snapshot(client: httpx.Client, hand: FakeWorker, job: str) -> None:
    hand.finish_one(2)
    hand.database.write_now(lambda c: prune.prune_events(c, -1, 10))
    [snapshot] = read_all(client, job)
    assert (snapshot["event"], snapshot["id"]) == ("snapshot", "9")
    assert snapshot["data"]["job"] == client.get(f"{JOBS}/{job}").json()


def test_a_deleted_job_says_so(client: httpx.Client, hand: FakeWorker, job: str) -> None:
    with client.stream("GET", f"{JOBS}/{job}/events") as answer:
        coming = records(answer.iter_lines())
        assert next(coming)["event"] == "created"
        hand.remove(job)
        assert [record for record in coming if record["event"] != "queue"] == [{"event": "deleted", "data": {}}]


def test_places_in_the_queue_are_told_as_they_change(
    client: httpx.Client, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "QUEUE_INTERVAL_S", 0.1)
    second = client.post(JOBS, files={"file": ("b.wav", b"x")}).json()["id"]
    with client.stream("GET", f"{JOBS}/{second}/events") as answer:
        coming = records(answer.iter_lines())
        assert next(coming)["event"] == "created"
        assert next(coming)["data"]["position"] == 2
        client.post(f"{JOBS}/{job}/cancel")
        assert next(coming)["data"]["position"] == 1


def test_a_silent_stream_shows_that_it_lives(
    client: httpx.Client, hand: FakeWorker, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "QUIET_S", 0.1)
    hand.claim()
    with client.stream("GET", f"{JOBS}/{job}/events") as answer:
        assert ": alive" in answer.iter_lines()


def test_a_bad_start_is_refused(client: httpx.Client, job: str) -> None:
    for bad in ("after=-1", "after=x", "after=99999999999999999999999"):
        assert client.get(f"{JOBS}/{job}/events?{bad}").status_code == 422


@pytest.mark.contract("native", "WS /v1/transcriptions/{job_id}/ws", "the same events, and 1000 at the end")
def test_a_socket_tells_the_same(api: Live, client: httpx.Client, hand: FakeWorker, job: str) -> None:
    seen: list[dict[str, Any]] = []
    with connect(f"{api.ws_base}{JOBS}/{job}/ws") as socket:
        seen.append(json.loads(socket.recv(10)))
        hand.finish_one(2)
        rest, code = to_the_close(socket)
    seen += map(json.loads, rest)
    assert code == 1000
    numbered = [frame for frame in seen if frame["seq"] is not None]
    assert [(frame["seq"], frame["type"]) for frame in numbered] == list(enumerate(WHOLE, 1))
    sse = [record["data"] for record in read_all(client, job)]
    assert [frame["data"] for frame in numbered] == sse


def test_a_socket_resumes(api: Live, hand: FakeWorker, job: str) -> None:
    hand.finish_one(2)
    with connect(f"{api.ws_base}{JOBS}/{job}/ws?after=7") as socket:
        assert [json.loads(text)["seq"] for text in socket] == [8, 9]
    with connect(f"{api.ws_base}{JOBS}/{job}/ws?after=9") as socket:
        assert list(socket) == []


@pytest.mark.parametrize(("path", "code"), [("none/ws", 4404), ("%00/ws", 4404), ("JOB/ws?after=x", 4422)])
def test_a_socket_closes_with_a_reason(api: Live, job: str, path: str, code: int) -> None:
    with connect(f"{api.ws_base}{JOBS}/{path.replace('JOB', job)}") as socket:
        assert to_the_close(socket) == ([], code)
        assert socket.close_reason


def test_what_a_socket_is_told_is_dropped_and_must_be_small(api: Live, hand: FakeWorker, job: str) -> None:
    with connect(f"{api.ws_base}{JOBS}/{job}/ws") as socket:
        socket.send("hello")
        assert json.loads(socket.recv(10))["type"] == "created"
        socket.send("x" * 10_000)
        assert to_the_close(socket)[1] == 1009


def test_a_hundred_readers_cost_one(api: Live, hand: FakeWorker, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    look = api.tail._read_changes

    async def counted() -> None:
        nonlocal looks
        looks += 1
        await look()

    monkeypatch.setattr(api.tail, "_read_changes", counted)
    seen: list[list[str]] = []

    async def read(client: httpx.AsyncClient, open_: asyncio.Semaphore) -> None:
        async with client.stream("GET", f"{JOBS}/{job}/events") as answer:
            open_.release()
            lines = [line async for line in answer.aiter_lines()]
        seen.append([line.removeprefix("id: ") for line in lines if line.startswith("id: ")])

    async def read_all_at_once() -> None:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=api.base, timeout=30, limits=limits) as client:
            open_ = asyncio.Semaphore(0)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(100):
                    tasks.create_task(read(client, open_))
                for _ in range(100):
                    await open_.acquire()
                assert len(api.tail._jobs) == 1
                await asyncio.to_thread(hand.finish_one, 20)

    asyncio.run(read_all_at_once())
    assert seen == [[str(number) for number in range(1, 28)]] * 100
    assert looks < 200, "every reader would have looked for itself"
    eventually(lambda: not api.tail._jobs)


def test_a_reader_that_takes_nothing_holds_up_nobody(
    api: Live, client: httpx.Client, hand: FakeWorker, job: str
) -> None:
    with client.stream("GET", f"{JOBS}/{job}/events") as lazy:
        assert lazy.status_code == 200
        with connect(f"{api.ws_base}{JOBS}/{job}/ws", max_queue=1) as lazy_socket:
            hand.finish_one(500)
            with api.client() as other:
                assert len(read_all(other, job)) == 507
            assert sum(1 for _ in lazy_socket) >= 507
        assert sum(stored(record) for record in records(lazy.iter_lines())) == 507


def test_a_reader_that_leaves_is_forgotten(api: Live, client: httpx.Client, job: str) -> None:
    with client.stream("GET", f"{JOBS}/{job}/events") as answer:
        next(answer.iter_lines())
        with connect(f"{api.ws_base}{JOBS}/{job}/ws") as socket:
            socket.recv(10)
            assert len(api.tail._jobs) == 1
    eventually(lambda: not api.tail._jobs, 10, "streams that nobody reads go on")


def test_streams_end_at_once_when_the_service_stops(api: Live, client: httpx.Client, job: str) -> None:
    with client.stream("GET", f"{JOBS}/{job}/events") as answer:
        coming = records(answer.iter_lines())
        assert next(coming)["event"] == "created"
        waiting: list[httpx.Response] = []

        def wait() -> None:
            with api.client() as other:
                waiting.append(other.post(f"{JOBS}?wait=60", files={"file": ("a.wav", b"x")}))

        waiter = threading.Thread(target=wait)
        waiter.start()
        eventually(lambda: len(api.files()) == 2 and len(api.tail._jobs) == 2)
        with connect(f"{api.ws_base}{JOBS}/{job}/ws") as socket:
            assert socket.recv(10)
            api.stop()
            assert all(record["event"] == "queue" for record in coming)
            assert to_the_close(socket)[1] == 1012
        waiter.join(10)
    assert waiting[0].status_code == 202
