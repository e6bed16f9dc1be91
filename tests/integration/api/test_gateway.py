"""The gateway's contract from inside: what takes long, costs much, or has to be done by hand."""

from __future__ import annotations

import json
import select
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy
from websockets.sync.client import ClientConnection, connect

from dictograph.api.gateway import subscription, websocket_session
from dictograph.api.gateway.final import MOST_BYTES, shortened
from dictograph.api.server import serve
from dictograph.blobs.folder import FolderBlobs
from dictograph.errors import DatabaseUnavailable
from dictograph.service.compat import transcript_report
from dictograph.store import texts as store_texts
from dictograph.store.database import Database
from dictograph.store.jobs import control
from tests.integration.api.live import FakeWorker, Live, live
from tests.integration.api.raw import END, exchange, head, part, received
from tests.raw_websocket import all_of, close, dial, frame, handshake, heard, say
from tests.service import ask, eventually

FILE = {"file": ("talk.mp3", b"sound")}


def upload(api: Live, name: str = "talk.mp3") -> str:
    answer = httpx.post(f"{api.base}/upload", files={"file": (name, b"sound")})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["request_id"])


def told(socket: ClientConnection, seconds: float = 10) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=seconds))
    return message


def asked(socket: ClientConnection, **message: object) -> dict[str, Any]:
    socket.send(json.dumps(message))
    return told(socket)


def join(socket: ClientConnection, request_id: str) -> dict[str, Any]:
    answer = asked(socket, type="join", request_id=request_id)
    assert (answer["type"], answer["request_id"]) == ("joined", request_id), answer
    status: dict[str, Any] = answer["current_status"]
    return status


@pytest.fixture
def socket(api: Live) -> Iterator[ClientConnection]:
    with connect(api.ws_base) as one:
        yield one


def change(api: Live, statement: str, **values: object) -> None:
    engine = sqlalchemy.create_engine(api.settings.database, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement), values)


@pytest.mark.contract("gateway", "status_update", "to a client that has joined, as soon as its request starts")
def test_the_start_is_told_and_the_end(api: Live, hand: FakeWorker, socket: ClientConnection) -> None:
    request = upload(api)
    waiting = join(socket, request)
    assert (waiting["status"], waiting["current_task"], waiting["queue_length"]) == ("idle", None, 1)
    hand.claim()
    update = told(socket)
    assert update["type"] == "status_update"
    assert update["data"]["status"] == "processing"
    assert update["data"]["current_task"]["request_id"] == request
    assert update["data"]["queue_length"] == 0
    hand.freeze()
    hand.plan(2)
    hand.commit(0, 1)
    hand.complete()
    end = told(socket)
    assert (end["type"], end["request_id"]) == ("transcription_complete", request)
    assert end["result"]["transcription"] == "word0 word1"
    assert end["result"]["audio_duration_minutes"] == 0.33


def test_the_start_is_told_although_the_end_came_before_anybody_looked(
    api: Live, hand: FakeWorker, socket: ClientConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = upload(api)
    join(socket, request)
    seen = api.services.jobs.get

    async def after_the_end(owner: str | None, job_id: str) -> Any:
        if not (await seen(owner, job_id)).status.ended:
            hand.freeze()
            hand.plan(1)
            hand.commit(0)
            hand.complete()
        return await seen(owner, job_id)

    monkeypatch.setattr(type(api.services.jobs), "get", lambda self, owner, job_id: after_the_end(owner, job_id))
    hand.claim()
    start, end = told(socket), told(socket)
    assert (start["type"], start["data"]["current_task"]["request_id"]) == ("status_update", request)
    assert end["type"] == "transcription_complete"


@pytest.mark.contract("gateway", "status_update", "to a client that has joined, every 20 s")
def test_who_has_joined_hears_again_and_again(api: Live, hand: FakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert subscription.STATUS_EVERY_S <= 25
    monkeypatch.setattr(subscription, "STATUS_EVERY_S", 0.2)
    request = upload(api)
    hand.claim()
    with connect(api.ws_base) as socket:
        assert join(socket, request)["current_task"]["request_id"] == request
        for _ in range(3):
            update = told(socket, 2)
            assert (update["type"], update["data"]["current_task"]["request_id"]) == ("status_update", request)


@pytest.mark.contract("gateway", "transcription_error", "of a request that was cancelled")
def test_a_cancelled_request_is_an_error(api: Live, hand: FakeWorker, socket: ClientConnection) -> None:
    request = upload(api)
    join(socket, request)
    hand.database.write_now(lambda conn: control.cancel(conn, None, request))
    end = told(socket)
    assert (end["type"], end["request_id"], end["status"]) == ("transcription_error", request, "FAILURE")
    assert "cancelled" in end["error"]
    datetime.fromisoformat(end["failed_at"])
    answer = httpx.get(f"{api.base}/status/{request}").json()
    assert (answer["status"], answer["error"]) == ("failed", end["error"])
    assert asked(socket, type="get_status")["data"]["error_count"] == 1


def test_a_deleted_request_is_an_error(api: Live, hand: FakeWorker, socket: ClientConnection) -> None:
    request = upload(api)
    join(socket, request)
    hand.remove(request)
    assert told(socket)["type"] == "transcription_error"
    assert httpx.get(f"{api.base}/status/{request}").json()["status"] == "unknown"


def test_a_request_may_be_joined_before_it_is_there(api: Live, hand: FakeWorker, socket: ClientConnection) -> None:
    request = upload(api)
    change(api, "UPDATE transcription_job SET id = 'later' WHERE id = :id", id=request)
    assert join(socket, request)["queue_length"] == 1
    change(api, "UPDATE transcription_job SET id = :id WHERE id = 'later'", id=request)
    hand.claim()
    hand.fail()
    assert [told(socket)["type"], told(socket)["type"]] == ["status_update", "transcription_error"]


def test_jobs_of_other_contracts_are_not_seen(api: Live, hand: FakeWorker, socket: ClientConnection) -> None:
    native = httpx.post(f"{api.base}/v1/transcriptions", files=FILE).json()["id"]
    hand.finish_one()
    assert httpx.get(f"{api.base}/status/{native}").json()["status"] == "unknown"
    assert join(socket, native)["processed_count"] == 0
    assert asked(socket, type="get_status")["type"] == "status_update"  # and nothing of that job before


def test_requests_of_others_are_not_named(api: Live, hand: FakeWorker, socket: ClientConnection) -> None:
    request = upload(api, "secret.mp3")
    change(api, "UPDATE transcription_job SET owner = 'somebody' WHERE id = :id", id=request)
    hand.claim()
    data = asked(socket, type="get_status")["data"]
    assert (data["status"], data["current_task"]) == ("processing", None)
    assert join(socket, request)["current_task"]["filename"] == "secret.mp3"  # whoever knows the id may read


def completed_with(api: Live, hand: FakeWorker, text: str) -> str:
    request = upload(api)
    hand.finish_one()
    change(api, "UPDATE transcription_job SET result_text = :text WHERE id = :id", id=request, text=text)
    return request


@pytest.mark.contract("gateway", "transcription_complete", "never over 1 MiB: then prompts refer to GET /status/{id}")
@pytest.mark.parametrize("language", ["en", "de"])
def test_a_long_transcript_is_sent_once(api: Live, hand: FakeWorker, language: str) -> None:
    text = 'Grüße an "alle" \\ ' * 20_000
    request = completed_with(api, hand, text)
    change(api, "UPDATE transcription_job SET language = :language", language=language)
    with connect(api.ws_base) as socket:  # its limit is 1 MiB too
        join(socket, request)
        frame_text = str(socket.recv(timeout=20))
    assert len(frame_text.encode()) <= MOST_BYTES
    result = json.loads(frame_text)["result"]
    assert result["transcription"] == text
    assert len(result["prompts"]) == 3
    for prompt in result["prompts"].values():
        assert f"GET /status/{request}" in prompt.split("```")[1]
        assert len(prompt) < 10_000
    assert ("Transkript" in result["prompts"]["journalistic_summary"]) == (language == "de")
    whole = httpx.get(f"{api.base}/status/{request}", timeout=20).json()["result"]
    assert whole["transcription"] == text
    assert all(text in prompt for prompt in whole["prompts"].values())
    assert {name: whole[name] for name in whole if name != "prompts"} == {
        name: result[name] for name in result if name != "prompts"
    }


def test_a_transcript_that_is_too_long_by_itself_says_where_the_rest_is(api: Live, hand: FakeWorker) -> None:
    text = 'naïve \t"words" ' * 100_000
    request = completed_with(api, hand, text)
    with connect(api.ws_base) as socket:
        join(socket, request)
        frame_text = str(socket.recv(timeout=20))
    assert 0.99 * MOST_BYTES < len(frame_text.encode()) <= MOST_BYTES
    result = json.loads(frame_text)["result"]
    beginning, _, rest = result["transcription"].partition(" … ")
    assert text.startswith(beginning)
    assert f"GET /status/{request}" in rest
    assert result["transcription_word_count"] == 200_000
    assert httpx.get(f"{api.base}/status/{request}", timeout=20).json()["result"]["transcription"] == text


@pytest.mark.parametrize("over", [1, 50, 500, 10**6])
def test_what_is_shortened_is_short_enough(over: int) -> None:
    text = 'a "b" \n cé ' * 50
    short = shortened(text, over, " …")
    assert len(json.dumps(short, ensure_ascii=False).encode()) <= max(
        len(json.dumps(text, ensure_ascii=False).encode()) - over, 8
    )


@pytest.mark.contract("gateway", "get_status", "answered at once, however many jobs there are")
def test_status_stays_quick_with_thousands_of_jobs(api: Live, socket: ClientConnection) -> None:
    upload(api)
    columns = [row[1] for row in ask(api.settings.database, "PRAGMA table_info(transcription_job)")]
    copied = ", ".join("'j' || n" if name == "id" else name for name in columns)
    change(
        api,
        f"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 20000) "
        f"INSERT INTO transcription_job ({', '.join(columns)}) SELECT {copied} FROM transcription_job, k",
    )
    eventually(lambda: asked(socket, type="get_status")["data"]["queue_length"] == 20_001)
    began = time.monotonic()
    for _ in range(100):
        assert asked(socket, type="get_status")["data"]["queue_length"] == 20_001
    assert time.monotonic() - began < 5


def test_status_is_told_while_the_database_is_away(
    api: Live, socket: ClientConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asked(socket, type="get_status")["data"]

    async def never(query: object) -> Any:
        raise TimeoutError

    monkeypatch.setattr(api.services.contract_stats, "_querying", never)
    after = eventually(lambda: asked(socket, type="get_status"))["data"]
    assert after.keys() == before.keys()
    assert after["status"] == "idle"


def test_the_end_is_told_once_the_database_is_back(
    api: Live, hand: FakeWorker, socket: ClientConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "_AGAIN_S", 0.05)
    request, failures, read = upload(api), [1, 2, 3], store_texts.texts

    def texts(*given: Any) -> Any:
        if failures and failures.pop():
            raise DatabaseUnavailable("It is away.")
        return read(*given)

    join(socket, request)
    monkeypatch.setattr(transcript_report, "texts", texts)
    hand.finish_one()
    assert [told(socket)["type"], told(socket)["type"]] == ["status_update", "transcription_complete"]
    assert not failures
    failures.append(1)
    join(socket, request)
    assert told(socket)["type"] == "error"  # and the connection lives
    join(socket, request)
    assert told(socket)["type"] == "transcription_complete"


def test_no_more_than_so_many_are_joined_at_once(api: Live, hand: FakeWorker, socket: ClientConnection) -> None:
    for number in range(websocket_session.MOST_JOINED):
        join(socket, f"request-{number}")
    assert asked(socket, type="join", request_id="one-more")["type"] == "error"
    assert join(socket, "request-0") is not None  # again is no other
    done = upload(api)
    hand.finish_one()
    assert asked(socket, type="join", request_id=done)["type"] == "error"
    with connect(api.ws_base) as other:
        join(other, done)
        assert told(other)["type"] == "transcription_complete"


def test_made_up_requests_cannot_take_all_the_memory(
    api: Live, socket: ClientConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_session, "MOST_AWAITED", 3)
    there = upload(api)
    with connect(api.ws_base) as other:
        for number in range(3):
            join(other, f"made-up-{number}")
        refused = asked(socket, type="join", request_id="made-up-3")
        assert (refused["type"], "nobody has uploaded" in refused["error"]) == ("error", True)
        join(socket, there)  # what is there can be joined
    eventually(lambda: asked(socket, type="join", request_id="made-up-3")["type"] == "joined")


def test_who_floods_is_read_slowly_or_not_at_all(api: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_session, "_AT_ONCE_S", 0.2)
    with connect(api.ws_base) as socket:
        began = time.monotonic()
        for _ in range(40):
            assert asked(socket, type="get_status")["type"] == "status_update"
        assert time.monotonic() - began > 0.5
    with dial(api.base) as raw:
        raw.sendall(handshake(api.base) + b"x" * 100_000)  # before it can be answered
        assert received(raw).endswith(b"incorrect masking"), "it waits for the handshake, and is no frame"
    with dial(api.base) as raw:
        raw.sendall(handshake(api.base))
        assert raw.recv(65536).startswith(b"HTTP/1.1 101 ")
        raw.sendall(frame(1, "{}") * 12_000)  # more than is read from the network at once, or is kept
        with connect(api.ws_base) as socket:
            assert asked(socket, type="get_status")["type"] == "status_update", "nobody else waits for it"


def test_who_asks_for_much_and_never_reads_is_given_up(tmp_path: Path, migrated: Path) -> None:
    with live(tmp_path, migrated=migrated, unread_timeout=1.0) as api:
        database = Database.open(api.settings.database)
        request = completed_with(api, FakeWorker(database), "word " * 100_000)
        database.close_now()
        join = say({"type": "join", "request_id": request})
        with dial(api.base) as raw:
            raw.sendall(handshake(api.base) + join * 50)
            poll = select.poll()
            poll.register(raw, 0)  # errors and hang-ups are told in any case
            eventually(lambda: poll.poll(0), 20, "it is served for ever")
        with connect(api.ws_base) as socket:
            assert asked(socket, type="get_status")["type"] == "status_update"


def test_a_refusal_is_no_error_of_ours(api: Live, caplog: pytest.LogCaptureFixture) -> None:
    with dial(api.base) as raw:
        raw.sendall(handshake(api.base, "/", "Origin: https://evil.example") + say({"type": "get_status"}) * 10)
        assert received(raw).startswith(b"HTTP/1.1 403 ")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.contract("gateway", "WS /", "a client that sends and closes at once gets its answer, on any route")
def test_bytes_that_come_one_by_one_are_understood(api: Live) -> None:
    with dial(api.base) as raw:
        for byte in handshake(api.base, "/ws") + say({"type": "get_status"}) + close():
            raw.sendall(bytes([byte]))
        messages, code = heard(all_of(raw))
    assert [message["type"] for message in messages] == ["status_update"]
    assert code == 1000


def test_a_close_frame_in_the_middle_of_a_long_answer_waits_for_it(api: Live, hand: FakeWorker) -> None:
    text = "word " * 60_000
    request = completed_with(api, hand, text)
    with dial(api.base) as raw:
        raw.sendall(handshake(api.base) + say({"type": "join", "request_id": request}) + close(1001))
        messages, code = heard(all_of(raw))
    assert [message["type"] for message in messages] == ["joined", "transcription_complete"]
    assert messages[1]["result"]["transcription"] == text
    assert code == 1001


def test_native_sockets_still_end_when_their_client_closes(api: Live) -> None:
    job = httpx.post(f"{api.base}/v1/transcriptions", files=FILE).json()["id"]
    with connect(f"{api.ws_base}/v1/transcriptions/{job}/ws") as socket:
        assert told(socket)["type"] == "created"
        began = time.monotonic()
    assert time.monotonic() - began < 2


@pytest.mark.contract("gateway", "WS /", "any Origin, where this contract was asked for")
@pytest.mark.parametrize(("settings", "status"), [({"anonymous": ["gateway-read"]}, 101), ({}, 403)])
def test_pages_of_any_origin_may_listen_where_that_was_wanted(
    tmp_path: Path, migrated: Path, settings: dict[str, Any], status: int
) -> None:
    with live(tmp_path, migrated=migrated, **settings) as api, dial(api.base) as raw:
        raw.sendall(handshake(api.base, "/", "Origin: https://dashboard.example") + close())
        assert all_of(raw).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.contract("gateway", "POST /upload", "503 when the job cannot be stored, and only then")
def test_a_full_disk_is_told_as_such(tmp_path: Path, migrated: Path) -> None:
    with live(tmp_path, FolderBlobs(tmp_path / "full", reserve=2**60), migrated=migrated) as api:
        answer = httpx.post(f"{api.base}/upload", files=FILE)
    assert answer.status_code == 503
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"].startswith("Service temporarily unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.contract("gateway", "POST /upload", "500 without detail")
def test_a_fault_of_ours_says_nothing_of_itself(api: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(type(api.services.intake), "check", fail)
    answer = httpx.post(f"{api.base}/upload", files=FILE)
    assert (answer.status_code, answer.json()) == (500, {"error": "Internal server error"})


@pytest.mark.contract("gateway", "WS /", "a silent connection stays open")
def test_who_says_nothing_stays_connected(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pings are a hundred times as frequent here. An answer has a tenth of its time: busy machines take some."""
    made = serve._config

    def faster(*given: Any) -> Any:
        config = made(*given)
        assert config.ws_ping_interval is not None
        assert config.ws_ping_timeout is not None
        assert config.ws_ping_interval + config.ws_ping_timeout > 35  # that of a client that answers no ping
        config.ws_ping_interval, config.ws_ping_timeout = config.ws_ping_interval / 100, config.ws_ping_timeout / 10
        return config

    monkeypatch.setattr(serve, "_config", faster)
    with live(tmp_path, migrated=migrated) as api, connect(api.ws_base) as socket:
        with pytest.raises(TimeoutError):
            socket.recv(timeout=2.5)
        assert asked(socket, type="get_status")["type"] == "status_update"


@pytest.mark.contract("native", "GET /v1/transcriptions/{job_id}/prompts", "ready-made prompts of a completed job")
def test_native_jobs_have_prompts_too(api: Live, client: httpx.Client, hand: FakeWorker) -> None:
    job = client.post("/v1/transcriptions", files=FILE).json()["id"]
    early = client.get(f"/v1/transcriptions/{job}/prompts")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "job_state_conflict")
    hand.finish_one(2)
    answer = client.get(f"/v1/transcriptions/{job}/prompts")
    assert answer.status_code == 200
    shape = answer.json()
    assert shape["language"] == "en"
    assert shape["prompts"].keys() == {"summary_tasks_and_todos", "presentation_structure", "journalistic_summary"}
    assert all("```\nword0 word1\n```" in prompt for prompt in shape["prompts"].values())
    assert client.get("/v1/transcriptions/nothing/prompts").status_code == 404


@pytest.mark.contract("gateway", "GET /status/{request_id}", "401 without a key, where reading was not opened")
@pytest.mark.contract("gateway", "WS /", "401 without a key, where reading was not opened")
def test_reading_needs_a_key_unless_it_was_opened(tmp_path: Path, migrated: Path) -> None:
    key = {"x-api-key": "letmein"}
    with live(tmp_path, migrated=migrated, gateway_api_key="letmein") as api:
        request = httpx.post(f"{api.base}/upload", files=FILE, headers=key).json()["request_id"]
        refused = httpx.get(f"{api.base}/status/{request}")
        assert (refused.status_code, refused.json()) == (401, {"error": "Unauthorized"})
        assert httpx.get(f"{api.base}/status/{request}", headers=key).json()["status"] == "pending"
        with dial(api.base) as raw:
            raw.sendall(handshake(api.base) + say({"type": "get_status"}) + close())
            assert received(raw).startswith(b"HTTP/1.1 401 ")
        with connect(api.ws_base, additional_headers=key) as socket:
            assert join(socket, request)["queue_length"] == 1


def test_a_name_that_is_written_in_two_ways_has_its_ending_in_the_better_one(api: Live) -> None:
    """As .NET's MultipartFormDataContent writes every name that ASCII has no letters for."""
    names = b"; filename=\"=?utf-8?B?YsOkci5tcDM=?=\"; filename*=utf-8''b%C3%A4r.mp3"
    body = part("file", b"sound", names) + END
    reply = exchange(api, head(f"content-length: {len(body)}", target="/upload") + body)
    assert (reply.status, json.loads(reply.body)["original_filename"]) == (202, "bär.mp3")
