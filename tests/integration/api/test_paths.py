"""The path contract with keys: whoever sends a path asks for it, and nobody else hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.api.live import Live, live
from tests.keys import by_bearer, by_key, make_key


@pytest.fixture
def open_api(tmp_path: Path, migrated: Path) -> Iterator[Live]:
    roots = tmp_path / "roots"
    roots.mkdir()
    (roots / "talk.wav").write_bytes(b"not looked at yet")
    with live(tmp_path, migrated=migrated, path_roots=[roots], anonymous=["path"]) as one:
        yield one


def send(api: Live, **headers: str) -> httpx.Response:
    body = {"path": str(api.settings.path_roots[0] / "talk.wav")}
    return httpx.post(f"{api.base}/transcribe", json=body, headers=headers)


def ask(api: Live, **headers: str) -> tuple[int, str]:
    query = {"path": str(api.settings.path_roots[0] / "talk.wav")}
    answer = httpx.get(f"{api.base}/status", params=query, headers=headers)
    return answer.status_code, answer.json().get("status", "")


def test_a_path_is_its_senders_alone(open_api: Live) -> None:
    alice, bob = (make_key(open_api.settings.database, owner) for owner in ("alice", "bob"))
    assert send(open_api, **by_key(alice.secret)).status_code == 202
    assert ask(open_api, **by_bearer(alice.secret)) == (200, "processing")
    assert ask(open_api, **by_key(bob.secret)) == (404, "error")
    assert ask(open_api) == (404, "error")
    assert send(open_api).status_code == 202
    assert ask(open_api) == (200, "processing")
    assert ask(open_api, **by_key(bob.secret)) == (404, "error")


def test_a_bad_key_and_one_that_may_not_are_refused_in_this_contracts_shape(open_api: Live) -> None:
    reader = make_key(open_api.settings.database, "carol", scopes=("read",))
    for key, status in (("dg_none", 401), (reader.secret, 403)):
        answer = send(open_api, **by_key(key))
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
        assert isinstance(answer.json()["error"], str)


def test_where_it_is_not_opened_a_key_is_needed_once_there_are_any(tmp_path: Path, migrated: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(b"not looked at yet")
    with live(tmp_path, migrated=migrated, path_roots=[tmp_path]) as closed:
        assert send(closed).status_code == 202
        key = make_key(closed.settings.database, "alice")
        assert send(closed).status_code == 401
        assert ask(closed)[0] == 401
        assert send(closed, **by_key(key.secret)).status_code == 202
