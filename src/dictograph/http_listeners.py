"""The addresses of a process, taken and served."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache

from starlette.types import ASGIApp

from dictograph.api.app import create_app, create_socket_app
from dictograph.api.exposure import check_exposure
from dictograph.api.server.connection import ConnectionLimits
from dictograph.api.server.serve import listening_socket, serve
from dictograph.api.worker_app import create_worker_app
from dictograph.banner import banner, worker_banner
from dictograph.bootstrap import Application
from dictograph.contract import Address
from dictograph.listening import Listener, Served, listeners
from dictograph.service.services import Services
from dictograph.settings.model import Settings
from dictograph.settings.profiles.log_lines import log_listening
from dictograph.settings.profiles.selection import names_of
from dictograph.store.keys import any_keys

Say = Callable[[str], None]


class HttpListeners:
    """What a process listens on. Addresses are taken before any job is touched, and answer once everything runs."""

    def __init__(self, settings: Settings, *, api: bool, worker: bool) -> None:
        self._settings = settings
        self._listeners = listeners(settings, api=api, worker=worker)
        self._sockets: list[socket.socket] = []

    async def take(self, services: Services, stack: ExitStack) -> None:
        """Listen on all addresses; `stack` closes them.

        Raises:
            SettingsError: an address cannot be listened on, or should not be without a key.
            DatabaseUnavailable.
        """
        await check_exposure(self._reaching(), services.authentication, self._settings)
        for one in self._listeners:
            self._sockets.append(stack.enter_context(self._socket(one)))

    async def run(self, application: Application, say: Say) -> None:
        """Serve until the service is stopping. Without an address this waits for the stop."""
        resources = application.resources
        keys = self._has_contracts() and await resources.database.read(any_keys)

        def started(authorities: Sequence[str]) -> None:
            actual = [
                replace(one, address=Address(authority, one.address.first))
                for one, authority in zip(self._listeners, authorities, strict=True)
            ]
            self._tell(actual, application.engine_in_words(), keys, say)

        if not self._listeners:
            self._tell([], application.engine_in_words(), keys, say)
            await resources.stopping.wait()
            return
        await serve(self._apps(application), self._sockets, started, resources.stopping, self._limits())

    def _has_contracts(self) -> bool:
        return any(one.served is Served.CONTRACTS for one in self._listeners)

    def _reaching(self) -> list[Address]:
        """Return the addresses that give away more than that a worker lives."""
        return [one.address for one in self._listeners if one.served is not Served.PROBES]

    def _socket(self, one: Listener) -> socket.socket:
        if one.served is not Served.PROBES:
            return listening_socket(one.address.authority)
        return listening_socket(
            one.address.authority, f"Name another in {names_of('worker_listen', self._settings.profile)}."
        )

    def _apps(self, application: Application) -> list[ASGIApp]:
        services, settings = application.services, self._settings

        @cache
        def app(served: Served, address: Address) -> ASGIApp:
            match served:
                case Served.CONTRACTS:
                    return create_app(services, settings, address.first)
                case Served.GATEWAY_SOCKET:
                    return create_socket_app(services, settings)
                case Served.PROBES:
                    return create_worker_app(services.status, application.exposition)

        return [app(one.served, Address("", one.address.first)) for one in self._listeners]

    def _limits(self) -> ConnectionLimits:
        settings = self._settings
        return ConnectionLimits(
            settings.header_timeout, settings.max_connections_per_client, unread_timeout=settings.unread_timeout
        )

    def _tell(self, actual: Sequence[Listener], engine: str, keys: bool, say: Say) -> None:
        served = {kind: [one.address for one in actual if one.served is kind] for kind in Served}
        if served[Served.CONTRACTS]:
            say(banner(self._settings, served[Served.CONTRACTS], engine, keys=keys, probes=served[Served.PROBES]))
        else:
            say(worker_banner(self._settings, engine, [*served[Served.GATEWAY_SOCKET], *served[Served.PROBES]]))
        socket = next((one.address for one in actual if one.has_socket), None)
        log_listening(self._settings.profile, served[Served.CONTRACTS], socket)
