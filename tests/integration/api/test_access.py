"""Who may call: by key, without keys on loopback, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dictograph.service.auth.access import Scope
from dictograph.store.keys import KeyRates
from dictograph.store.tables import api_key
from tests.integration.api.live import Live, live
from tests.keys import by_bearer, by_key, make_key, revoke

JOBS = "/v1/transcriptions"
ELSEWHERE = "http://192.0.2.7:8000"

Serve = Callable[..., Live]


@pytest.fixture
def serve(tmp_path: Path, migrated: Path) -> Iterator[Serve]:
    """Start applications, each in a folder of its own."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        folders = iter(range(10))

        def start(**settings: Any) -> Live:
            folder = tmp_path / str(next(folders))
            folder.mkdir()
            return stack.enter_context(live(folder, migrated=migrated, **settings))

        yield start


def elsewhere(api: Live, path: str, base: str = ELSEWHERE, method: str = "GET", **more: Any) -> httpx.Response:
    """The answer to a request that came to an address that is not loopback, as a scope has it."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(api.app, client=("198.51.100.3", 4711))
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, **more)

    return asyncio.run_coroutine_threadsafe(ask(), api.loop).result(20)


def upload(client: httpx.Client, **more: Any) -> httpx.Response:
    return client.post(JOBS, files={"file": ("talk.mp3", b"not looked at yet")}, **more)


def test_without_keys_the_own_machine_may_do_everything_whatever_it_sends(api: Live) -> None:
    with api.client() as client:
        assert upload(client).status_code == 202
        for headers in ({}, by_key("sk-unused"), by_bearer("sk-unused")):
            assert len(client.get(JOBS, headers=headers).json()["data"]) == 1
    assert elsewhere(api, JOBS).status_code == 401
    assert elsewhere(api, JOBS, headers=by_key("sk-unused")).status_code == 401


def test_insecure_serves_other_addresses_while_there_are_no_keys(serve: Serve) -> None:
    api = serve(insecure=True)
    assert elsewhere(api, JOBS).status_code == 200
    key = make_key(api.settings.database)
    assert elsewhere(api, JOBS).status_code == 401
    assert elsewhere(api, JOBS, headers=by_key(key.secret)).status_code == 200


def test_with_a_key_nobody_is_let_in_without_one(api: Live) -> None:
    with api.client() as client:
        assert client.get(JOBS).status_code == 200
        key = make_key(api.settings.database)
        refused = client.get(JOBS)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.json()["error"]["code"] == "unauthorized"
        for headers in (by_key(key.secret), by_bearer(key.secret), {"authorization": f"bearer  {key.secret}"}):
            assert client.get(JOBS, headers=headers).status_code == 200
        assert client.get(JOBS, headers=by_key(key.secret) | by_bearer(key.secret)).status_code == 200
        assert client.get("/health").status_code == client.get("/ready").status_code == 200
        revoke(api.settings.database, key.key.id)
        assert client.get(JOBS, headers=by_key(key.secret)).status_code == 401
        assert client.get(JOBS).status_code == 401, "nor when the last key is revoked"


def test_every_key_that_is_not_good_gets_the_same_answer(api: Live) -> None:
    url = api.settings.database
    good, revoked, expired = make_key(url), make_key(url), make_key(url, lives=0.0)
    revoke(url, revoked.key.id)
    unknown = good.secret[:-1] + ("a" if good.secret[-1] != "a" else "b")
    wrong: list[dict[str, str]] = [
        *({}, by_key(revoked.secret), by_key(expired.secret), by_key(unknown), by_bearer(unknown)),
        *(by_key(""), by_key("dg_"), by_key("x" * 5000), by_key("geheim"), by_bearer("geheim")),
        {"authorization": "Bearer"},
        *(by_key(good.secret) | by_bearer(unknown), by_key(unknown) | by_bearer(good.secret)),
        {"authorization": f"Basic {good.secret}"},
        {"authorization": good.secret},
    ]
    with api.client() as client:
        answers = [client.get(JOBS, headers=headers) for headers in wrong]
        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.content for answer in answers}) == 1
        assert client.get(JOBS, headers=by_key(good.secret)).status_code == 200


def test_scopes(api: Live) -> None:
    url = api.settings.database
    secrets = {scope: make_key(url, scopes=(scope.value,)).secret for scope in Scope}
    with api.client() as client:

        def status(scope: Scope, method: str, path: str, **more: Any) -> int:
            return client.request(method, path, headers=by_key(secrets[scope]), **more).status_code

        file = {"files": {"file": ("a.mp3", b"x")}}
        assert [status(scope, "POST", JOBS, **file) for scope in Scope] == [202, 403, 202]
        assert [status(scope, "GET", JOBS) for scope in Scope] == [403, 200, 200]
        assert [status(scope, "DELETE", f"{JOBS}/none") for scope in Scope] == [404, 403, 404]
        refused = client.get(JOBS, headers=by_key(secrets[Scope.TRANSCRIBE])).json()["error"]
        assert (refused["code"], "`read`" in refused["message"]) == ("scope_missing", True)


def test_each_owner_sees_its_own_jobs_and_an_idempotency_key_is_its_own(api: Live) -> None:
    url = api.settings.database
    alice, bob = make_key(url, "alice"), make_key(url, "bob", scopes=("admin",))
    with api.client() as client:
        ids = []
        for key in (alice, bob):
            answer = upload(client, headers=by_key(key.secret) | {"idempotency-key": "one"})
            assert "idempotency-replayed" not in answer.headers
            ids.append(answer.json()["id"])
        for key, id in zip((alice, bob), ids, strict=True):
            assert [job["id"] for job in client.get(JOBS, headers=by_key(key.secret)).json()["data"]] == [id]
        counted = [client.get("/v1/status", headers=by_key(key.secret)).json() for key in (alice, bob)]
    assert [one["queue_length"] for one in counted] == [1, 2], "the operator sees how the service does as a whole"
    assert counted[0]["workers"] == []


def test_a_job_knows_the_key_that_it_came_with(api: Live) -> None:
    key = make_key(api.settings.database)
    with api.client() as client:
        id = upload(client, headers=by_key(key.secret)).json()["id"]

    async def find() -> str | None:
        return (await api.services.jobs.get("alice", id)).key_id

    assert asyncio.run_coroutine_threadsafe(find(), api.loop).result(10) == key.key.id


def test_the_use_of_a_key_is_noted(api: Live) -> None:
    key = make_key(api.settings.database)
    with api.client() as client:
        client.get(JOBS, headers=by_key(key.secret))

    async def used() -> float | None:
        return await api.services.authentication._database.read(
            lambda conn: conn.execute(api_key.select()).one().last_used_at
        )

    assert asyncio.run_coroutine_threadsafe(used(), api.loop).result(10) is not None


def test_a_database_that_is_away_is_not_a_key_that_is_wrong(api: Live) -> None:
    key = make_key(api.settings.database)
    with api.client() as client:
        asyncio.run_coroutine_threadsafe(api.services.authentication._database.close(), api.loop).result(10)
        answer = client.get(JOBS, headers=by_key(key.secret))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
        assert client.get(JOBS).status_code == 503, "whether there are keys is not known either"


def test_a_key_in_a_url_is_refused_with_a_hint(api: Live) -> None:
    key = make_key(api.settings.database)
    with api.client() as client:
        for query in ({"api_key": key.secret}, {"x": key.secret}, {"access_token": "anything"}, {"X-API-Key": "a"}):
            answer = client.get(JOBS, params=query, headers=by_key(key.secret))
            assert answer.status_code == 400
            assert "/v1/tickets" in answer.json()["error"]["message"]
            assert key.secret not in answer.text


def test_failed_keys_are_limited_and_good_ones_are_not_kept_out_by_them(api: Live) -> None:
    key = make_key(api.settings.database)
    with api.client() as client:
        answers = [client.get(JOBS, headers=by_key(f"guess {number}")) for number in range(40)]
        assert [answer.status_code for answer in answers] == [401] * 30 + [429] * 10
        assert int(answers[-1].headers["retry-after"]) in range(1, 61)
        assert client.get(JOBS, headers=by_key(key.secret)).status_code == 200
        assert client.get(JOBS).status_code == 401, "who shows nothing guesses nothing"
    assert elsewhere(api, JOBS, headers=by_key("guess")).status_code == 401, "another address"


def test_requests_are_limited_by_key_or_address(serve: Serve) -> None:
    api = serve(rate_limit="3/minute")
    url = api.settings.database
    with api.client() as client:
        assert [client.get(JOBS).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert client.get("/health").status_code == 200
        one, other = make_key(url), make_key(url, rates=KeyRates(requests=("5/minute",)))
        assert [client.get(JOBS, headers=by_key(one.secret)).status_code for _ in range(4)] == [200, 200, 200, 429]
        statuses = [client.get(JOBS, headers=by_key(other.secret)).status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        refused = client.get(JOBS, headers=by_key(other.secret))
        assert refused.json()["error"]["code"] == "too_many_requests"
        assert int(refused.headers["retry-after"]) in range(1, 61)


def test_addresses_of_one_ipv6_network_are_one_client(serve: Serve) -> None:
    api = serve(rate_limit="2/minute", insecure=True)

    async def ask(client: str) -> int:
        transport = httpx.ASGITransport(api.app, client=(client, 4711))
        async with httpx.AsyncClient(transport=transport, base_url=ELSEWHERE) as one:
            return (await one.get(JOBS)).status_code

    def status(client: str) -> int:
        return asyncio.run_coroutine_threadsafe(ask(client), api.loop).result(10)

    assert [status(f"2001:db8::{host}") for host in (1, 2, 3)] == [200, 200, 429]
    assert status("2001:db8:0:1::1") == 200


def test_new_jobs_are_limited_apart_from_other_requests(serve: Serve) -> None:
    api = serve(create_rate_limit="1/hour")
    url = api.settings.database
    with api.client() as client:
        assert [upload(client).status_code for _ in range(2)] == [202, 429]
        assert client.get(JOBS).status_code == 200
        id = client.get(JOBS).json()["data"][0]["id"]
        assert client.post(f"{JOBS}/{id}/cancel").status_code == 200
        key = make_key(url, rates=KeyRates(jobs=("2/hour",)))
        assert [upload(client, headers=by_key(key.secret)).status_code for _ in range(3)] == [202, 202, 429]


def test_an_owner_may_have_only_so_many_jobs_that_wait(serve: Serve) -> None:
    api = serve(max_pending=2)
    url = api.settings.database
    alice, bob = by_key(make_key(url, "alice").secret), by_key(make_key(url, "bob").secret)
    with api.client() as client:
        named = alice | {"idempotency-key": "first"}
        first = upload(client, headers=named).json()["id"]
        assert upload(client, headers=alice).status_code == 202
        refused = upload(client, headers=alice)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        assert upload(client, headers=named).json()["id"] == first, "asking again for one that is there is no new one"
        assert upload(client, headers=bob).status_code == 202
        client.post(f"{JOBS}/{first}/cancel", headers=alice)
        assert upload(client, headers=alice).status_code == 202
        assert client.post(f"{JOBS}/{first}/retry", headers=alice).status_code == 429
    assert len(api.files()) == 4, "what was refused leaves nothing behind"


def test_only_so_many_jobs_of_all_owners_wait(serve: Serve) -> None:
    """Each contract says it in its own way, and when to try again; what was refused leaves nothing behind."""
    api = serve(max_queued=1, gateway_api_key="secret")
    url = api.settings.database
    alice, bob = by_key(make_key(url, "alice").secret), by_key(make_key(url, "bob").secret)
    with api.client() as client:
        first = upload(client, headers=alice).json()["id"]
        refused = upload(client, headers=bob)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
        assert refused.headers["retry-after"] == "30", "nothing was measured yet"
        assert client.get("/v1/status", headers=alice).json()["oldest_wait_seconds"] >= 0
        gateway = client.post("/upload", files={"file": ("a.mp3", b"x" * 100)}, headers={"x-api-key": "secret"})
        assert (gateway.status_code, gateway.headers["retry-after"]) == (503, "30")
        assert gateway.json() == {"error": "Service temporarily unavailable. Please try again later."}
        asr = client.post("/asr", files={"audio_file": ("a.mp3", b"x" * 100)}, headers=bob)
        assert (asr.status_code, asr.headers["retry-after"]) == (503, "30")
        spoken = client.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, headers=bob,
                             files={"file": ("a.mp3", b"x" * 100)})  # fmt: skip
        assert (spoken.status_code, spoken.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        client.post(f"{JOBS}/{first}/cancel", headers=alice)
        assert upload(client, headers=bob).status_code == 202
        again = client.post(f"{JOBS}/{first}/retry", headers=alice)
        assert (again.status_code, again.json()["error"]["code"]) == (429, "queue_full")
    assert len(api.files()) == 2


@pytest.mark.parametrize("base", [ELSEWHERE, "http://audio.lan:8000"])
def test_other_machines_call_by_any_name_once_there_are_keys(api: Live, base: str) -> None:
    """The address it came to is loopback or not by the scope alone: see `by_name`."""
    key = make_key(api.settings.database)
    assert by_name(api, base, "192.0.2.7", by_key(key.secret)) == 200
    assert by_name(api, base, "192.0.2.7", {}) == 401


def test_strange_names_lead_nowhere_without_a_key_that_is_good(serve: Serve) -> None:
    api = serve(insecure=True)
    strange = "http://evil.example.org"
    assert by_name(api, strange, "192.0.2.7", {}) == 403, "a page whose name was bent to this address"
    assert by_name(api, strange, "127.0.0.1", {}) == 403
    assert by_name(api, strange, "127.0.0.1", by_key("anything")) == 403
    key = make_key(api.settings.database)
    assert by_name(api, strange, "127.0.0.1", {}) == 403
    assert by_name(api, strange, "127.0.0.1", by_key("anything")) == 403
    assert by_name(api, strange, "127.0.0.1", by_key(key.secret)) == 200
    assert by_name(api, strange, "127.0.0.1", {}, path="/ready") == 403


def test_anonymous_routes_go_by_any_name_but_on_loopback(serve: Serve) -> None:
    api = serve(anonymous="backend")
    old = "http://backend.internal:3203"
    assert by_name(api, old, "192.0.2.7", {}, path="/api/v1/job/read") == 200
    assert by_name(api, old, "127.0.0.1", {}, path="/api/v1/job/read") == 403
    assert by_name(api, old, "192.0.2.7", {}) == 403
    assert by_name(api, "http://127.0.0.1", "127.0.0.1", {}, path="/api/v1/job/read") == 200


def by_name(api: Live, base: str, here: str, headers: dict[str, str], path: str = JOBS) -> int:
    """The status of a request by the name in `base` that came to the address `here`."""
    app: Any = api.app

    async def placed(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "server": (here, 8000)}, receive, send)

    async def ask() -> int:
        transport = httpx.ASGITransport(placed, client=("198.51.100.3", 4711))
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return (await client.get(path, headers=headers)).status_code

    return asyncio.run_coroutine_threadsafe(ask(), api.loop).result(20)
