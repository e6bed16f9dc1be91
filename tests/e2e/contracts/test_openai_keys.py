"""OpenAI's audio API with keys: each owner's calls are their own, and what is refused has the shape of its errors."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from dictograph.store.keys import KeyRates
from tests.e2e.contracts.spoken import short
from tests.keys import make_key
from tests.service import Service, service

TRANSCRIPTIONS = "POST /v1/audio/transcriptions"


def shows(row: str, what: str) -> pytest.MarkDecorator:
    return pytest.mark.contract("openai", row, what)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("openai")) as one:
        yield one.wait_until_ready()


@pytest.fixture(scope="module")
def ada(one: Service) -> str:
    return make_key(one.database, "ada").secret


def call(one: Service, key: str, audio: Path, **fields: Any) -> Any:
    with OpenAI(api_key=key, base_url=f"{one.base}/v1", max_retries=0) as client:
        return client.audio.transcriptions.create(model="whisper-1", file=audio, **fields)


@shows(TRANSCRIPTIONS, "two owners who send the same have a job each, and never join each other's")
def test_owners_do_not_join(one: Service, ada: str, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=60)
    eve = make_key(one.database, "eve").secret
    one.behave(delay=0.5)
    with ThreadPoolExecutor(4) as pool:
        texts = {answer.text for answer in pool.map(lambda key: call(one, key, audio), (ada, eve, ada, eve))}
    one.behave()
    assert len(texts) == 1
    assert sorted(one.rows("select owner from transcription_job")) == [("ada",), ("eve",)]
    for key, owner in ((ada, "ada"), (eve, "eve")):
        seen = one.get("/v1/transcriptions", headers={"authorization": f"Bearer {key}"}).json()["data"]
        assert [job["id"] for job in seen] == [
            id for (id,) in one.rows("select id from transcription_job where owner = ?", owner)
        ]


@shows(TRANSCRIPTIONS, "a key that is not known is 401 `invalid_api_key`, of whatever is asked")
def test_a_wrong_key(one: Service, ada: str) -> None:
    with OpenAI(api_key="sk-wrong", base_url=f"{one.base}/v1") as client:
        for ask in (
            lambda: client.audio.transcriptions.create(model="whisper-1", file=b"sound"),
            lambda: client.models.retrieve("whisper-1"),
            client.models.list,
        ):
            with pytest.raises(openai.AuthenticationError) as caught:
                ask()
            assert isinstance(caught.value.body, dict)
            assert set(caught.value.body) == {"message", "type", "param", "code"}
    answer = requests.post(f"{one.base}/v1/audio/transcriptions", timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


@shows(TRANSCRIPTIONS, "a key that is not for this is 403")
def test_a_key_for_something_else(one: Service, tmp_path: Path) -> None:
    reader = make_key(one.database, "ada", scopes=("read",)).secret
    with pytest.raises(openai.PermissionDeniedError) as caught:
        call(one, reader, short(tmp_path, seed=61)[0])
    assert caught.value.code == "scope_missing"


@shows(TRANSCRIPTIONS, "too many calls are 429 `rate_limit_exceeded`, with `Retry-After`")
def test_too_many_calls(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=62)
    hasty = make_key(one.database, "ada", rates=KeyRates(("1/minute",), None)).secret
    assert call(one, hasty, audio).text
    with pytest.raises(openai.RateLimitError) as caught:
        call(one, hasty, audio)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "requests")
    assert int(caught.value.response.headers["retry-after"]) > 0
