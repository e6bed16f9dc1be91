"""The network as a download may use it: every connection goes to an address that was checked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import httpcore

from dictograph.errors import FetchFailed, FetchTimeout, SourceNotFound
from dictograph.net.addresses import AllowList, Target, check_addresses

if TYPE_CHECKING:
    from httpcore._backends.base import SOCKET_OPTION

#: Returns the addresses of a host, as text.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Return the addresses that the system's resolver finds. Raises SourceNotFound, FetchFailed."""
    try:
        found = await _look_up(host, port)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_HOST:
            raise SourceNotFound(f"There is no host named {host}.") from error
        raise FetchFailed(f"The address of {host} could not be found: {error.strerror}.") from error
    except UnicodeError as error:
        raise SourceNotFound(f"There is no host named {host}.") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _look_up(host: str, port: int) -> list[Any]:
    """Call `getaddrinfo` in a new thread.

    It cannot be stopped: with a silent name server it takes half a minute. In a new thread it blocks neither the few
    threads of the loop nor the end of the process.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Any]] = loop.create_future()

    def deliver(found: list[Any] | Exception) -> None:
        if answer.done():
            return  # the caller waits no longer
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def resolve() -> None:
        found: list[Any] | Exception
        try:
            found = list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - the caller gets it
            found = error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(deliver, found)

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    return await answer


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to one target. The name is resolved once, all its addresses are checked, and one of
    exactly these addresses is called: so a second, different answer of the name server has no effect.

    TLS still checks the certificate against the name, which it gets separately.
    """

    def __init__(self, target: Target, allow: AllowList, resolve: Resolver, connect_timeout: float) -> None:
        self._target = target
        self._allow = allow
        self._resolve = resolve
        self._timeout = connect_timeout
        self._network = httpcore.AnyIOBackend()
        self._opened: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the host that httpcore read from the URL does not matter: there is one target
        port: int,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002 - one limit covers the resolver and all addresses
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        target = self._target
        try:
            async with asyncio.timeout(self._timeout):
                addresses = check_addresses(target, await self._resolve(target.host, target.port), self._allow)
                return await self._first_that_answers(addresses, local_address, socket_options)
        except TimeoutError as error:
            raise FetchTimeout(f"{target.host} did not answer within {self._timeout:.0f} s.") from error

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise FetchFailed("Only network addresses are called.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def aclose(self) -> None:
        """Close all connections: httpcore forgets one that is given up during its TLS handshake."""
        for stream in self._opened:
            await stream.aclose()

    async def _first_that_answers(
        self, addresses: Sequence[str], local_address: str | None, options: Iterable[SOCKET_OPTION] | None
    ) -> httpcore.AsyncNetworkStream:
        refusal: Exception | None = None
        for address in addresses:
            try:
                # An address that drops packets must leave time for the others.
                stream = await self._network.connect_tcp(
                    address, self._target.port, self._timeout / len(addresses), local_address, options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refusal = error
            else:
                self._opened.append(stream)
                return stream
        raise FetchFailed(f"{self._target.host} cannot be reached at port {self._target.port}.") from refusal
