"""Jobs of a service, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from dictograph.cli.text.job_text import Shape
from dictograph.errors import DictographError
from dictograph.runtime.redaction import redacted

_TIMEOUT_S = 30.0
#: Longer than the pauses between a stream's signs of life.
_SILENCE_S = 60.0
_PAGE = 200
_PATH = "v1/transcriptions"


class ServerUnreachable(DictographError):
    """The service does not answer."""

    code = "server_unreachable"


class ServerSaysNo(DictographError):
    """The service answered with an error; the message is the service's."""

    code = "server_error"


@asynccontextmanager
async def http_client(url: str, key: str = "") -> AsyncIterator[HttpClient]:
    """Open a client for the service at `url`; it sends `key`, if there is one."""
    base = url if "://" in url else f"http://{url}"
    try:
        client = httpx.AsyncClient(base_url=base, timeout=_TIMEOUT_S, headers={"x-api-key": key} if key else {})
    except httpx.InvalidURL as error:
        raise ServerUnreachable(f"{redacted(url)} is no URL: {error}.") from error
    async with client:
        yield HttpClient(client, base)


class HttpClient:
    """A `JobClient` over HTTP."""

    def __init__(self, client: httpx.AsyncClient, base: str) -> None:
        self._client = client
        self._base = redacted(base)

    async def list(self, statuses: Sequence[str], limit: int, *, dead: bool) -> list[Shape]:
        found: list[Shape] = []
        query: dict[str, Any] = {"status": ["failed"] if dead else list(statuses), "limit": min(limit, _PAGE)}
        while len(found) < limit:
            page = await self._ask("GET", _PATH, params=query)
            found += [job for job in page["data"] if job["dead"] or not dead]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        return found[:limit]

    async def show(self, job_id: str) -> Shape:
        return await self._ask("GET", _path(job_id))

    async def cancel(self, job_id: str) -> Shape:
        return await self._ask("POST", f"{_path(job_id)}/cancel")

    async def retry(self, job_id: str) -> Shape:
        return await self._ask("POST", f"{_path(job_id)}/retry")

    async def delete(self, job_id: str, *, force: bool = False) -> None:
        await self._ask("DELETE", _path(job_id), params={"force": "true"} if force else {})

    async def workers(self) -> Sequence[Shape]:
        found: Sequence[Shape] = (await self._ask("GET", "v1/workers"))["data"]
        return found

    async def events(self, job_id: str) -> AsyncGenerator[tuple[str, Shape], None]:
        with self._named():
            async with self._client.stream("GET", f"{_path(job_id)}/events", timeout=_SILENCE_S) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _refusal(answer)
                fields: dict[str, str] = {}
                async for line in answer.aiter_lines():
                    name, _, value = line.partition(":")
                    if line:
                        fields[name] = value.removeprefix(" ")
                    elif "data" in fields:
                        yield fields.get("event", ""), json.loads(fields["data"])
                        fields = {}

    async def _ask(self, method: str, path: str, **more: Any) -> Shape:
        with self._named():
            answer = await self._client.request(method, path, **more)
            if not answer.is_success:
                raise _refusal(answer)
            shape: Shape = answer.json() if answer.content else {}
            return shape

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServerUnreachable(f"No service answers at {self._base}: {error or type(error).__name__}.") from error
        except ValueError as error:
            raise ServerUnreachable(f"The server at {self._base} is not Dictograph: {error}.") from error


def _path(job_id: str) -> str:
    return f"{_PATH}/{quote(job_id, safe='')}"


def _refusal(answer: httpx.Response) -> DictographError:
    try:
        message = str(answer.json()["error"]["message"])
        return ServerSaysNo(_about_keys(answer, message) if answer.status_code == 401 else message)
    except (ValueError, LookupError, TypeError):
        return ServerSaysNo(f"{redacted(str(answer.url))} answered {answer.status_code} {answer.reason_phrase}.")


def _about_keys(answer: httpx.Response, message: str) -> str:
    """Return what to do about the key. The service gives the same answer for every key that is not valid."""
    if "x-api-key" not in answer.request.headers:
        return f"{message} Put it into DICTOGRAPH_KEY, or give --key-file."
    return (
        "The service does not accept this key: it is unknown, has expired or was revoked "
        "(`dictograph keys list` says which). The gateway's API_KEY is valid for its uploads only."
    )
