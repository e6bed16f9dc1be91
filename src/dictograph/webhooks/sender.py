"""One attempt: sends the signed payload to the receiver. Of its answer only the status counts.

The rules for addresses are those of downloads (`net.ssrf`): the host is resolved once, every address is checked, and
the connection goes to one of them. No redirect is followed, no proxy is used, no credential is sent.
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

#: The limits (bytes, s) for reading an answer's body, so that the receiver can end normally. The body is not used.
_BODY_BYTES = 16 * 1024
_BODY_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attempt.

    Args:
        status: the HTTP status of the answer; None if there was no answer.
        error: why the attempt failed; None if it succeeded.
        retry_after: after how many seconds the receiver wants the next attempt; None if it did not say.
        hopeless: another attempt would fail in the same way, since calls to this address are not allowed.
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
        """Return whether the receiver wants no more calls."""
        return self.status == HTTPStatus.GONE


@dataclass(slots=True)
class WebhookSender:
    """Sends webhooks. `allow` lists the addresses allowed besides public ones; `timeout` limits a whole call (s)."""

    allow: AllowList
    timeout: float
    resolve: Resolver = system_resolver
    _tls: ssl.SSLContext | None = field(default=None, init=False)

    async def post(self, url: str, webhook_id: str, body: bytes, secrets: Sequence[str]) -> Outcome:
        """Make an attempt. Every failure is part of the outcome."""
        headers = signed_headers(webhook_id, int(time.time()), body, secrets)
        outcome: Outcome | None = None
        try:
            async with asyncio.timeout(self.timeout) as deadline, self._call(url, body, headers) as answer:
                outcome = outcome_of(answer.status, _header(answer, b"retry-after"))
                # The status decides: later failures change nothing.
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
        """Return the TLS context. It is made once, since reading all certificate authorities takes long."""
        if scheme == "https" and self._tls is None:
            self._tls = httpcore.default_ssl_context()
        return self._tls


def outcome_of(status: int, retry_after: str = "") -> Outcome:
    """Return the outcome for an answer: only 2xx is a success."""
    if 200 <= status < 300:
        return Outcome(status)
    if 300 <= status < 400:
        return Outcome(status, f"The receiver answered {_phrase(status)}: redirects are not followed.")
    return Outcome(status, f"The receiver answered {_phrase(status)}.", _seconds(retry_after))


def _seconds(retry_after: str) -> float | None:
    """Return the seconds of a Retry-After, which is a number of seconds or a date; None for anything else."""
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
