"""The isolation matrix: every route there is, with every kind of key there is.

The routes come from the application itself, so that a new one is in it at once: it must ask who calls, unless it is
named here as public. What a route tells of somebody else's job must be what it tells of one that never was, byte for
byte. Nothing is timed here: both come from the same question to the database, which finds no row.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import MagicMock
from uuid import uuid4

import httpx
import pytest
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Scope

from dictograph.api.app import create_app, surfaces_of
from dictograph.api.surface import Surface
from dictograph.contract import Contract
from dictograph.settings.model import Settings
from dictograph.store.database import Database
from tests.integration.api.live import FakeWorker, Live, live
from tests.keys import by_key, make_key, revoke

T = TypeVar("T")

#: What asks nobody who he is.
PUBLIC = {
    (Contract.NATIVE, "GET /health"),
    (Contract.GATEWAY, "GET /health"),
    (Contract.NATIVE, "GET /ready"),
    (Contract.BACKEND, "GET /"),
    (Contract.BACKEND, "GET /api/v1"),
    (Contract.BACKEND, "GET /docs"),
    (Contract.BACKEND, "GET /redoc"),
    (Contract.BACKEND, "GET /openapi.json"),
    (Contract.BACKEND, "PUT /api/v1/audio/object/{slot_id}/{filename}"),  # its address is signed
    (Contract.PATH, "GET /health"),
}
#: The words of a contract for all that it does not know: nothing is behind them.
UNKNOWN = ("/{rest:path}",)

#: What DICTOGRAPH_ANONYMOUS does not open although it opens its contract.
KEPT = {(Contract.GATEWAY, "POST /upload")}

#: Where a request must look like one before anybody is asked who he is. All others get an empty JSON object.
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/transcriptions": {"files": {"file": ("talk.mp3", b"x")}},
    "POST /upload": {"files": {"file": ("talk.mp3", b"x")}},
    "POST /v1/audio/transcriptions": {"files": {"file": ("talk.mp3", b"x")}, "data": {"model": "whisper-1"}},
    "POST /v1/audio/translations": {"files": {"file": ("talk.mp3", b"x")}, "data": {"model": "whisper-1"}},
    "POST /asr": {"files": {"audio_file": ("talk.mp3", b"x")}},
    "POST /detect-language": {"files": {"audio_file": ("talk.mp3", b"x")}},
    "POST /transcribe": {"json": {"path": "/nowhere/secret-talk.mp3"}},
    "POST /api/v1/job/transcribe": {"json": {"filename": "talk.mp3", "url": "s3://b/talk.mp3", "mode": "tiny"}},
    "POST /api/v1/job/{job_id}/email": {"json": {"email": "a@example.org"}},
    "POST /api/v1/audio/presigned-url": {
        "json": {"filename": "talk.mp3", "content_type": "audio/mpeg", "file_size": 10}
    },
}
QUERIES = {
    "GET /api/v1/audio/get_presigned_url": {
        "filename": "talk.mp3",
        "content_type": "audio/mpeg",
        "file_size": "10",
    },
    "GET /status": {"path": "/nowhere/secret-talk.mp3"},
}

#: What only she who has the job may ever see.
SECRETS = (b"secret-talk", b"word0", b"her own data")

#: Stands for the id that was asked for, wherever an answer has it.
JOB = b"<the job>"
_EACH_TIME = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|20\d\d-\d\d-\d\dT[\d:.]+")

#: Calls of those who may be let in, and then wait for what never comes here, are given up after so long (s).
PATIENCE_S = 0.15
#: All others are answered, however busy the machine is: within so long (s).
ANSWER_S = 20.0
#: What no route that keeps its callers waiting for a transcript lets in.
REFUSED = ("none", "revoked", "expired", "only read")


@dataclass(frozen=True)
class Case:
    """A route, in the application in which it is the one that is asked."""

    first: Contract
    contract: Contract
    name: str
    path: str

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def waits(self) -> bool:
        """Whether who is let in is told nothing for long: nobody works here, and nothing happens."""
        if self.method == "WS":
            return "{" not in self.name  # those of one job end with it
        return self.method == "POST" and self.contract in (Contract.OPENAI, Contract.ASR)

    @property
    def key(self) -> tuple[Contract, str]:
        return self.contract, self.name

    def __str__(self) -> str:
        return f"{self.contract}: {self.name}"


@dataclass(frozen=True)
class Answer:
    """What came back, without what differs between any two answers. A WebSocket that was accepted has status 101."""

    status: int
    body: bytes = b""
    headers: frozenset[str] = field(default_factory=frozenset)


def cases() -> list[Case]:
    """Every route of every surface, each in an application where no other takes its address."""
    found: dict[tuple[Contract, str], Case] = {}
    for first in Contract:
        routes = [(one.contract, route) for one in _surfaces(first) for route in one.routes]
        for contract, route in routes:
            for method in _methods(route):
                case = Case(first, contract, f"{method} {route.path}", _filled(route.path, "x"))  # type: ignore[attr-defined]
                if case.key not in found and _winner(routes, case) is route:
                    found[case.key] = case
    return list(found.values())


def all_routes() -> set[tuple[Contract, str]]:
    return {
        (one.contract, f"{method} {route.path}")  # type: ignore[attr-defined] # all of ours have one
        for first in Contract
        for one in _surfaces(first)
        for route in one.routes
        for method in _methods(route)
    }


@cache
def _surfaces(first: Contract) -> list[Surface]:
    return surfaces_of(MagicMock(), Settings(), first)  # routes are only listed, never called


def _methods(route: BaseRoute) -> list[str]:
    methods = getattr(route, "methods", None)
    return sorted(methods - {"HEAD", "OPTIONS"}) if methods else ["WS"]


def _filled(path: str, value: str) -> str:
    return "/".join(value if part.startswith("{") else part for part in path.split("/"))


def _winner(routes: list[tuple[Contract, BaseRoute]], case: Case) -> BaseRoute | None:
    scope: Scope = {"type": "http", "method": case.method, "path": case.path, "headers": []}
    if case.method == "WS":
        scope = {"type": "websocket", "path": case.path, "headers": []}
    return next((route for _, route in routes if route.matches(scope)[0] is Match.FULL), None)


CASES = cases()
GUARDED = [case for case in CASES if case.key not in PUBLIC and not case.name.endswith(UNKNOWN)]
WITH_ID = [case for case in GUARDED if "{" in case.name]


class House:
    """A service with two owners: she has a job that is done, he has nothing."""

    def __init__(self, api: Live) -> None:
        self.api = api
        self._hosts = (f"{high}.{low}.1" for high, low in product(range(256), repeat=2))
        url = api.settings.database
        self.secrets = {
            "right": make_key(url, "alice").secret,
            "operator": make_key(url, "alice", ("admin",)).secret,
            "other": make_key(url, "bob").secret,
            "revoked": (gone := make_key(url, "alice")).secret,
            "expired": make_key(url, "alice", lives=0.0).secret,
            "only read": make_key(url, "alice", ("read",)).secret,
            "only transcribe": make_key(url, "alice", ("transcribe",)).secret,
        }
        revoke(url, gone.key.id)
        self.apps = {first: create_app(api.services, api.settings, first) for first in {case.first for case in CASES}}
        self.hand = FakeWorker(Database.open(url))
        self.job = self.new_job()

    def new_job(self) -> str:
        """A job of hers that is done."""
        data = {"metadata": json.dumps({"note": "her own data"})}
        files = {"file": ("secret-talk.mp3", uuid4().bytes)}
        with self.api.client(headers=by_key(self.secrets["right"])) as client:
            id = str(client.post("/v1/transcriptions", files=files, data=data).json()["id"])
        self.hand.finish_one()
        return id

    def ask(self, case: Case, kind: str, id: str) -> Answer:
        """What the route answers to this kind of key, about this job."""
        headers = by_key(self.secrets[kind]) if kind in self.secrets else {}
        # Each from an address of its own: who fails often is not listened to for a while.
        client = f"127.{next(self._hosts)}"
        app, path = self.apps[case.first], _filled(case.name.partition(" ")[2], id)
        if case.method == "WS":
            return self._run(_open_socket(app, case, path, client, headers, id))
        patience = PATIENCE_S if case.waits and kind not in REFUSED else ANSWER_S
        return self._run(_ask(app, case, path, client, headers, id, patience))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.api.loop).result(30)


async def _ask(
    app: ASGIApp, case: Case, path: str, client: str, headers: dict[str, str], id: str, patience: float
) -> Answer:
    transport = httpx.ASGITransport(app, client=(client, 4711))
    more = BODIES.get(case.name, {"json": {}} if case.method in ("POST", "PUT", "PATCH") else {})
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers) as one:
        try:
            async with asyncio.timeout(patience):
                answer = await one.request(case.method, path, params=QUERIES.get(case.name), **more)
        except TimeoutError:
            assert patience == PATIENCE_S, f"{case} does not answer"
            return Answer(200)  # it was let in, and waits for the transcript
    return Answer(answer.status_code, _without(answer.content, id), frozenset(answer.headers))


async def _open_socket(app: ASGIApp, case: Case, path: str, client: str, headers: dict[str, str], id: str) -> Answer:
    """All that a WebSocket is sent until it is closed, or has nothing to say for a while."""
    said: list[Message] = []
    ended = asyncio.Event()

    async def receive() -> Message:
        if not said:
            return {"type": "websocket.connect"}
        await ended.wait()
        return {"type": "websocket.disconnect", "code": 1001}

    async def send(message: Message) -> None:
        said.append(message)
        if message["type"] == "websocket.close":
            ended.set()

    scope = {
        "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "ws",
        "root_path": "", "http_version": "1.1", "subprotocols": [],
        "server": ("127.0.0.1", 8000), "client": (client, 4711),
        "headers": [(b"host", b"127.0.0.1:8000"), *((k.encode(), v.encode()) for k, v in headers.items())],
        "extensions": {"websocket.http.response": {}},
    }  # fmt: skip
    asyncio.get_running_loop().call_later(PATIENCE_S if case.waits else ANSWER_S, ended.set)
    async with asyncio.timeout(ANSWER_S + 5):
        await app(scope, receive, send)
    body = json.dumps([one.get("text") or one.get("code") for one in said if one["type"] != "websocket.accept"])
    if said[0]["type"] == "websocket.http.response.start":
        return Answer(said[0]["status"], said[1]["body"])
    return Answer(101, _without(body.encode(), id))


def _without(body: bytes, id: str) -> bytes:
    """The body with a mark in place of the job's id, and of what is another one each time."""
    return _EACH_TIME.sub(b"*", body.replace(id.encode(), JOB))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[House]:
    """With keys, and nothing that is open to those without one."""
    folder = tmp_path_factory.mktemp("closed")
    with live(folder, migrated=migrated, path_roots=[folder]) as api:
        house = House(api)
        yield house
        house.hand.database.close_now()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[House]:
    """As the profiles of the old systems have it: their own routes need no key."""
    folder = tmp_path_factory.mktemp("opened")
    with live(folder, migrated=migrated, anonymous="gateway-read,backend,path") as api:
        house = House(api)
        yield house
        house.hand.database.close_now()


def test_the_matrix_has_every_route() -> None:
    assert {case.key for case in CASES} == all_routes()
    assert PUBLIC - {case.key for case in CASES} == set(), "named as public, and not there"


def test_no_body_is_taken_in_before_it_is_known_who_calls() -> None:
    """What FastAPI parses itself it reads before it asks who calls: whole, of any size and however slowly it comes."""
    routes = [route for first in Contract for surface in _surfaces(first) for route in surface.routes]
    assert [route for route in routes if getattr(route, "body_field", None) is not None] == []


@pytest.mark.parametrize("case", [case for case in CASES if case.key in PUBLIC], ids=str)
def test_public_routes_ask_nobody_and_tell_nobody_anything_of_jobs(closed: House, case: Case) -> None:
    for kind in ("none", "other", "right"):
        answer = closed.ask(case, kind, closed.job)
        assert answer.status not in (401, 429)
        assert not [secret for secret in SECRETS if secret in answer.body]


@pytest.mark.parametrize("case", GUARDED, ids=str)
def test_without_a_key_that_is_good_there_is_one_answer(closed: House, case: Case) -> None:
    answers = {kind: closed.ask(case, kind, closed.job) for kind in ("none", "revoked", "expired")}
    assert {answer.status for answer in answers.values()} == {401}, answers
    assert len(set(answers.values())) == 1, answers


@pytest.mark.parametrize("case", GUARDED, ids=str)
def test_a_key_without_the_scope_is_refused_and_the_right_one_is_not(closed: House, case: Case) -> None:
    job = closed.new_job() if case.method in ("POST", "DELETE") and "{" in case.name else closed.job
    statuses = {kind: closed.ask(case, kind, job).status for kind in ("only read", "only transcribe", "operator")}
    refused = {401, 403} if case.contract is Contract.GATEWAY else {403}  # over HTTP, that one knows no 403
    assert refused & set(statuses.values()), statuses
    assert statuses["operator"] not in (401, 403), statuses
    right = closed.ask(case, "right", closed.new_job() if case.method == "DELETE" else job)
    assert right.status < 500
    assert right.status != 401
    if case.path.startswith("/v1/transcriptions/"):
        assert right.status in (101, 200, 204, 409), "she has this job"


@pytest.mark.parametrize("case", GUARDED, ids=str)
def test_somebody_else_learns_nothing(closed: House, case: Case) -> None:
    answer = closed.ask(case, "other", closed.job)
    assert answer.status != 401
    assert not [secret for secret in SECRETS if secret in answer.body.replace(b"/nowhere/secret-talk", b"")], answer
    if "{" in case.name:
        assert answer == closed.ask(case, "other", str(uuid4())), "it is as if the job were not there"
    else:
        assert JOB not in answer.body


@pytest.mark.parametrize("case", GUARDED, ids=str)
def test_what_the_old_contracts_open_opens_nothing_else(opened: House, case: Case) -> None:
    answer = opened.ask(case, "none", opened.job)
    is_open = case.contract in (Contract.GATEWAY, Contract.BACKEND, Contract.PATH) and case.key not in KEPT
    assert (answer.status != 401) == is_open, answer
    assert not [secret for secret in SECRETS if secret in answer.body.replace(b"/nowhere/secret-talk", b"")], answer
    if is_open and "{" in case.name:
        assert answer == opened.ask(case, "none", str(uuid4())), "a job that came in elsewhere is not there"
    for kind in ("revoked", "expired"):
        assert opened.ask(case, kind, opened.job).status == 401, "whoever shows a key must show a good one"


def test_the_state_of_a_path_is_that_of_ones_own_job(closed: House) -> None:
    file = closed.api.settings.path_roots[0] / "secret-talk.wav"
    file.write_bytes(b"x")
    states: dict[str, httpx.Response] = {}

    async def ask() -> None:
        transport = httpx.ASGITransport(closed.apps[Contract.PATH])
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            made = await client.post("/transcribe", json={"path": str(file)}, headers=by_key(closed.secrets["right"]))
            assert made.status_code == 202
            for kind, path in (("right", file), ("other", file), ("other", file.with_name("never-there.wav"))):
                answer = await client.get("/status", params={"path": str(path)}, headers=by_key(closed.secrets[kind]))
                states[f"{kind} {path.name}"] = answer

    asyncio.run_coroutine_threadsafe(ask(), closed.api.loop).result(20)
    mine, theirs, never = states.values()
    assert (mine.status_code, mine.json()["status"]) == (200, "processing")
    assert theirs.status_code == never.status_code
    assert theirs.text.replace("secret-talk.wav", "") == never.text.replace("never-there.wav", "")
