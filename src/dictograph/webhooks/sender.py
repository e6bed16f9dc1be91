"""One attempt: the signed payload goes to the receiver, and its answer is a status and nothing else.

What an address must be like to be called is what it must be for a download (`audio.guard`): resolved once, every
address vetted, the connection made to one of these. No redirect is followed, no proxy asked, no credential sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpcore

from dictograph import __version__
from dictograph.errors import AddressNotAllowed, DictographError
from dictograph.net.addresses import AllowList, parse_target
from dictograph.net.fetch import sendable
from dictograph.net.ssrf import CheckedNetwork, Resolver, system_resolver
from dictograph.webhooks.signing import signed_headers

_CONNECT_S = 10.0

#: An answer's body is read so far, and for so long (s), so that the receiver can end in peace; then it is thrown away.
_BODY_BYTES = 16 * 1024
_BODY_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went.

    Args:
        status: of the answer; None when there was none.
        error: why it was no success; None when it was one.
        retry_after: for how many seconds the receiver wants to be left alone; None when it did not say.
        hopeless: another attempt would end the same: nobody may be called there.
    """

    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    hopeless: bool = False

    @property
    def delivered(self) -> bool:
        return self.error is None

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more."""
        return self.status == HTTPStatus.GONE


@dataclass(slots=True)
class WebhookSender:
    """Sends. `allow` says who may be called beside public addresses, `timeout` how long all of it may take (s)."""

    allow: AllowList
    timeout: float
    resolve: Resolver = system_resolver
    _tls: ssl.SSLContext | None = field(default=None, init=False)

    async def post(self, url: str, webhook_id: str, body: bytes, secrets: Sequence[str]) -> Outcome:
        """Make an attempt; whatever goes wrong is in the outcome."""
        headers = signed_headers(webhook_id, int(time.time()), body, secrets)
        outcome: Outcome | None = None
        try:
            async with asyncio.timeout(self.timeout) as deadline, self._call(url, body, headers) as answer:
                outcome = outcome_of(answer.status, _header(answer, b"retry-after"))
                # The status has said all: what goes wrong from here on changes nothing.
                deadline.reschedule(asyncio.get_running_loop().time() + _BODY_S)
                await _read_away(answer)
                return outcome
        except TimeoutError:
            return outcome or Outcome(error=f"The receiver did not answer within {self.timeout:g} s.")
        except AddressNotAllowed as error:
            return outcome or Outcome(error=error.message, hopeless=True)
        except DictographError as error:
            return outcome or Outcome(error=error.message)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            return outcome or Outcome(error=f"The call broke off: {str(error) or type(error).__name__}.")

    @contextlib.asynccontextmanager
    async def _call(self, url: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[httpcore.Response]:
        target = parse_target(url)
        network = CheckedNetwork(target, self.allow, self.resolve, min(_CONNECT_S, self.timeout))
        sent = {"content-type": "application/json", "user-agent": f"dictograph/{__version__}", **headers}
        async with (
            contextlib.aclosing(network),
            httpcore.AsyncConnectionPool(self._certificates(target.scheme), network_backend=network) as pool,
            pool.stream("POST", sendable(url), headers=_encoded(sent), content=body) as answer,
        ):
            yield answer

    def _certificates(self, scheme: str) -> ssl.SSLContext | None:
        """Made once: to read all authorities takes long."""
        if scheme == "https" and self._tls is None:
            self._tls = httpcore.default_ssl_context()
        return self._tls


def outcome_of(status: int, retry_after: str = "") -> Outcome:
    """What an answer means: 2xx is a success, and nothing else."""
    if 200 <= status < 300:
        return Outcome(status)
    if 300 <= status < 400:
        return Outcome(status, f"The receiver answered {_phrase(status)}: redirects are not followed.")
    return Outcome(status, f"The receiver answered {_phrase(status)}.", _seconds(retry_after))


def _seconds(retry_after: str) -> float | None:
    """Of a Retry-After, which is a number of seconds or a date; None for anything else."""
    try:
        wait = float(retry_after) if retry_after.isdecimal() else _until(retry_after)
    except (ValueError, TypeError, OverflowError):
        return None
    return wait if math.isfinite(wait) and wait > 0 else None


def _until(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() - time.time()


async def _read_away(answer: httpcore.Response) -> None:
    size = 0
    async for chunk in answer.aiter_stream():
        size += len(chunk)
        if size > _BODY_BYTES:
            return


def _encoded(headers: Mapping[str, str]) -> Sequence[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


def _header(answer: httpcore.Response, name: bytes) -> str:
    values = [value for key, value in answer.headers if key.lower() == name]
    return values[0].decode("latin-1").strip() if values else ""


def _phrase(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)
