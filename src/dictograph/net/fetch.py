"""Download audio from a URL that a client gave: only from allowed addresses, and only within limits.

The schemes are http and https. The address is checked before each connection, so for each redirect too (`ssrf`).
Credentials, cookies and proxies are not used. Bytes and time are limited during the download.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import httpcore

from dictograph.errors import FetchError, FetchFailed, FetchTimeout, SourceNotFound, SourceTooLarge
from dictograph.net.addresses import AllowList, parse_target
from dictograph.net.ssrf import CheckedNetwork, Resolver, system_resolver

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: Status codes after which another attempt may help, beside all of 500 and above.
_PASSING = frozenset({408, 425, 429})

#: Characters that need no quoting in a URL's path and query, as sent (RFC 3986), and `%` itself.
_SAFE = "/:?#[]@!$&'()*+,;=%-._~"

_HEADERS: dict[bytes | str, bytes | str] = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "dictograph"}

_MAX_NAME = 200

Write = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """The limits of a download: bytes, seconds in all, seconds to connect, the allowed addresses, and how many
    seconds the server may be silent."""

    max_bytes: int
    timeout: float
    connect_timeout: float = 10.0
    allow: AllowList = field(default_factory=AllowList)
    quiet_timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of a download: the URL after all redirects, a file name (may be empty), the number of bytes."""

    final_url: str
    filename: str
    size: int


async def fetch(url: str, write: Write, limits: FetchLimits, resolve: Resolver = system_resolver) -> Fetched:
    """Download `url`; pass its bytes to `write` as they come.

    Raises:
        AddressNotAllowed, SourceNotFound, SourceTooLarge: another attempt would end the same.
        FetchTimeout, FetchFailed: another attempt may help.
        FetchError: the server answers in a way that cannot be followed, for example with endless redirects.
    """
    deadline = asyncio.timeout(limits.timeout)
    try:
        async with deadline:
            return await _follow(url, write, limits, resolve)
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise FetchTimeout(f"The download took longer than {limits.timeout:.0f} s.") from error


async def _follow(url: str, write: Write, limits: FetchLimits, resolve: Resolver) -> Fetched:
    for _ in range(_MAX_REDIRECTS + 1):
        async with _get(url, limits, resolve) as response:
            if response.status not in _REDIRECTS:
                size = await _receive(response, write, limits)
                return Fetched(url, _filename(response, url), size)
            url = _redirected(url, response)
    raise FetchError(f"The server redirects more than {_MAX_REDIRECTS} times.")


@contextlib.asynccontextmanager
async def _get(url: str, limits: FetchLimits, resolve: Resolver) -> AsyncIterator[httpcore.Response]:
    target = parse_target(url)
    network = CheckedNetwork(target, limits.allow, resolve, limits.connect_timeout)
    quiet = limits.quiet_timeout
    patience = {"timeout": {"connect": limits.connect_timeout, "read": quiet, "write": quiet}}
    try:
        # No connection is kept for a next hop: that has its own target and its own checked address.
        async with (
            contextlib.aclosing(network),
            httpcore.AsyncConnectionPool(network_backend=network, max_keepalive_connections=0) as pool,
            pool.stream("GET", sendable(url), headers=_HEADERS, extensions=patience) as response,
        ):
            yield response
    except httpcore.TimeoutException as error:
        raise FetchTimeout(f"{target.host} did not answer in time.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        if (cause := _certificate_error(error)) is not None:
            raise _not_trusted(target.host, cause) from error
        raise FetchFailed(
            f"The download from {target.host} broke off: {str(error) or type(error).__name__}."
        ) from error


async def _receive(response: httpcore.Response, write: Write, limits: FetchLimits) -> int:
    _check(response)
    stated = _header(response, "content-length")
    if stated.isdigit() and int(stated) > limits.max_bytes:
        raise _too_large(limits)
    size = 0
    async for chunk in response.aiter_stream():
        size += len(chunk)
        if size > limits.max_bytes:
            raise _too_large(limits)
        await write(chunk)
    return size


def _check(response: httpcore.Response) -> None:
    status = response.status
    if status >= 500 or status in _PASSING:
        raise FetchFailed(f"The server answered {_phrase(status)}.")
    if status >= 400:
        raise SourceNotFound(f"The server answered {_phrase(status)}: it does not give the audio away.")
    if status not in (200, 203):
        raise FetchError(f"The server answered {_phrase(status)}, which is no file.")
    encoding = _header(response, "content-encoding").lower()
    if encoding not in ("", "identity"):
        raise FetchError(f"The server sends the file compressed ({encoding}), though that was not asked for.")


def _redirected(url: str, response: httpcore.Response) -> str:
    location = _header(response, "location")
    if not location:
        raise FetchError("The server redirects to nowhere.")
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise FetchError("The server redirects to something that is no URL.") from error


def sendable(url: str) -> bytes:
    """Return the URL as it is sent: without a fragment, in ASCII, with the checked host."""
    target = parse_target(url)
    parts = urlsplit(url)
    host = f"[{target.host}]" if ":" in target.host else target.host
    path, query = quote(parts.path or "/", safe=_SAFE), quote(parts.query, safe=_SAFE)
    return urlunsplit((target.scheme, f"{host}:{target.port}", path, query, "")).encode("ascii")


def _filename(response: httpcore.Response, url: str) -> str:
    message = Message()
    message["Content-Disposition"] = _header(response, "content-disposition")
    name = message.get_filename() or unquote(PurePosixPath(urlsplit(url).path).name)
    name = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in name if c.isprintable())[:_MAX_NAME]


def _header(response: httpcore.Response, name: str) -> str:
    values = [value for key, value in response.headers if key.lower() == name.encode()]
    return values[0].decode("latin-1").strip() if values else ""


def _phrase(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Return the error of the server's certificate, if that is the cause of an error."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _not_trusted(host: str, error: ssl.SSLCertVerificationError) -> FetchError:
    return FetchError(
        f"{host} has a certificate that is not believed: {error.verify_message.rstrip('.')}. "
        "Certificates of an authority of your own are named by SSL_CERT_FILE."
    )


def _too_large(limits: FetchLimits) -> SourceTooLarge:
    return SourceTooLarge(f"The file is larger than the limit of {limits.max_bytes} bytes.")
