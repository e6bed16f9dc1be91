"""Authenticate callers: by key, by ticket, or without either where no key is needed."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from dictograph.contract import Contract
from dictograph.errors import DatabaseUnavailable, StorageFull, Unauthorized
from dictograph.service.auth.access import LOCAL_CALLER, Caller, Scope
from dictograph.service.auth.credentials import RequestCredentials
from dictograph.service.auth.keys import hash_of
from dictograph.service.auth.rates import Rates
from dictograph.service.auth.tickets import TicketClaims, Tickets
from dictograph.service.single_flight import SingleFlight
from dictograph.settings.model import Settings
from dictograph.store.clock import read_clock
from dictograph.store.database import Database
from dictograph.store.keys import TOUCHED_EVERY_S, Key, any_keys, find_key, look_up, touch_key

log = logging.getLogger(__name__)

#: The limit of invalid keys and tickets from one address. A valid key is never refused because of them.
_FAILURES = ("30/minute",)
_FAILED = "keys that are not valid"

#: The most time that a request waits until the use of its key is stored (s).
_TOUCH_S = 1.0
#: The most keys whose last use is remembered here.
_MOST_KEYS = 4096

_NEEDED = "A valid key is needed: send it as `X-API-Key`, or as `Authorization: Bearer`."

_READ = frozenset({Scope.READ})
_USE = frozenset({Scope.READ, Scope.TRANSCRIBE})

#: The contracts whose routes need no key where DICTOGRAPH_ANONYMOUS has this name, and the scopes allowed there.
_ANONYMOUS = {
    Contract.GATEWAY: ("gateway-read", _READ),
    Contract.BACKEND: ("backend", _USE),
    Contract.PATH: ("path", _USE),
}


class Authentication:
    """Authenticates callers, and counts their calls.

    A key that is missing, malformed, unknown, expired or revoked is refused in the same words. A given key is searched
    by its hash, in one query.

    All methods raise DatabaseUnavailable: without the database no caller can be authenticated.
    """

    def __init__(self, database: Database, settings: Settings, rates: Rates | None = None) -> None:
        self._database = database
        self._settings = settings
        self._rates = rates or Rates()
        self._gateway_key = hash_of(settings.gateway_api_key) if settings.gateway_api_key else None
        self._has_keys = self._gateway_key is not None
        self._any_keys: SingleFlight[None, bool] = SingleFlight(lambda _: database.read(any_keys))
        self._touched: dict[str, float] = {}
        self.tickets = Tickets(database)

    async def caller(self, credentials: RequestCredentials) -> Caller:
        """Return the caller with these credentials.

        Raises:
            Unauthorized: a key is needed, and no valid one was given.
            TooManyRequests: the caller has called too often, or given too many invalid keys or tickets.
        """
        caller = await self._holder(credentials)
        if caller is None and await self.is_keyless(credentials):
            caller = replace(LOCAL_CALLER, client=credentials.client)
        if caller is None:
            raise await self._refused(credentials)
        return await self._counted(caller)

    async def guest(self, credentials: RequestCredentials, contract: Contract, scope: Scope) -> Caller:
        """Return the caller on a contract's own routes: without a key the contract's own owner, where that is allowed.

        Raises the errors of `caller`.
        """
        if contract is Contract.BACKEND:
            await self._rates.take("requests", f"backend {credentials.client}", _backend_rates(self._settings))
        caller = await self._contract_holder(credentials, contract)
        if caller is None and await self._needs_none(credentials, contract, scope):
            caller = Caller(contract.value, _USE, client=credentials.client)
        if caller is None:
            raise await self._refused(credentials)
        return await self._counted(caller)

    async def knows(self, credentials: RequestCredentials, contract: Contract) -> bool:
        """Return whether the given key or ticket is valid; a ticket may be for any job. A valid one is not counted.

        Raises:
            TooManyRequests: the client has given too many invalid keys or tickets.
        """
        if not credentials.has_key_or_ticket:
            return False
        if credentials.keys:
            known = await self._contract_holder(credentials, contract) is not None
        else:
            known = await self._opens(credentials.ticket or "") is not None
        if not known:
            await self._rates.take(_FAILED, credentials.client, _FAILURES)
        return known

    def is_open(self, contract: Contract, scope: Scope) -> bool:
        """Return whether the contract's own routes may be used with this scope and without a key."""
        name, scopes = _ANONYMOUS.get(contract, ("", frozenset[Scope]()))
        return name in self._settings.anonymous and scope in scopes

    async def is_keyless(self, credentials: RequestCredentials) -> bool:
        """Return whether the client needs no key because the service has none. Then a given key is not checked either:
        many clients cannot be set to send no key."""
        return (credentials.loopback or self._settings.insecure) and not await self.has_keys()

    async def has_keys(self) -> bool:
        """Return whether there is a key, or ever was: then each caller needs one."""
        if not self._has_keys:
            self._has_keys = await self._any_keys(None)
        return self._has_keys

    async def count_job(self, caller: Caller) -> None:
        """Count a job that the caller is about to make. Raises TooManyRequests."""
        rates = self._settings.create_rate_limit if caller.rates.jobs is None else caller.rates.jobs
        await self._rates.take("jobs", caller.client, rates)

    async def _counted(self, caller: Caller) -> Caller:
        rates = self._settings.rate_limit if caller.rates.requests is None else caller.rates.requests
        await self._rates.take("requests", caller.client, rates)
        return caller

    async def _needs_none(self, credentials: RequestCredentials, contract: Contract, scope: Scope) -> bool:
        """Return whether a contract's routes are open to the client without a key. Where the service has keys, a key
        that is given must be valid."""
        if self.is_open(contract, scope) and not (credentials.has_key_or_ticket and await self.has_keys()):
            return True
        return await self.is_keyless(credentials)

    async def _contract_holder(self, credentials: RequestCredentials, contract: Contract) -> Caller | None:
        if contract is Contract.GATEWAY and await self._has_gateway_key(credentials):
            return Caller(contract.value, _USE, client=credentials.client)
        return await self._holder(credentials)

    async def _has_gateway_key(self, credentials: RequestCredentials) -> bool:
        """Return whether the gateway's key was given. The operator chose that key, so it may be guessed: after too many
        failures from one address it is not compared for a while."""
        if self._gateway_key is None or len(credentials.keys) != 1:
            return False
        if not await self._rates.has_room(_FAILED, credentials.client, _FAILURES):
            return False
        return hmac.compare_digest(hash_of(min(credentials.keys)), self._gateway_key)

    async def _holder(self, credentials: RequestCredentials) -> Caller | None:
        if credentials.keys:
            return await self._by_key(credentials)
        return None if credentials.ticket is None else await self._by_ticket(credentials, credentials.ticket)

    async def _by_key(self, credentials: RequestCredentials) -> Caller | None:
        given = hash_of("\n".join(sorted(credentials.keys)))  # two different keys together match no stored key
        key = await self._database.read(lambda conn: find_key(conn, given))
        if key is None or not key.live:
            return None
        await self._touch(key)
        return _caller(key)

    async def _by_ticket(self, credentials: RequestCredentials, ticket: str) -> Caller | None:
        opened = await self._opens(ticket)
        if opened is None or opened[0].job_id not in (None, credentials.job_id):
            return None
        return replace(_caller(opened[1]), scopes=_READ)

    async def _opens(self, ticket: str) -> tuple[TicketClaims, Key] | None:
        """Return the claims of a ticket and the key behind it, while both are valid."""
        claims = await self.tickets.read(ticket)
        if claims is None:
            return None
        key = await self._database.read(lambda conn: _key_of(conn, claims))
        return None if key is None or not key.live else (claims, key)

    async def _refused(self, credentials: RequestCredentials) -> Unauthorized:
        if credentials.has_key_or_ticket:
            await self._rates.take(_FAILED, credentials.client, _FAILURES)
        return Unauthorized(_NEEDED)

    async def _touch(self, key: Key) -> None:
        now = time.monotonic()
        if now - self._touched.get(key.id, -TOUCHED_EVERY_S) < TOUCHED_EVERY_S:
            return
        if len(self._touched) >= _MOST_KEYS:
            self._touched.clear()
        self._touched[key.id] = now
        try:
            async with asyncio.timeout(_TOUCH_S):
                await self._database.write(lambda conn: touch_key(conn, key.id))
        except (TimeoutError, DatabaseUnavailable, StorageFull) as error:
            log.info("the use of key %s could not be noted: %s", key.id, error or type(error).__name__)


def _caller(key: Key) -> Caller:
    scopes = frozenset(scope for scope in Scope if scope.value in key.scopes)
    return Caller(key.owner, scopes, key.id, f"key {key.id}", key.rates)


def _key_of(conn: Connection, claims: TicketClaims) -> Key | None:
    """Return the key with which a ticket was requested, while the ticket is valid."""
    if claims.key_id is None or read_clock(conn) >= claims.expires_at:
        return None
    return look_up(conn, claims.key_id)


def _backend_rates(settings: Settings) -> Sequence[str]:
    given = {"minute": settings.backend_requests_per_minute, "hour": settings.backend_requests_per_hour}
    return [f"{count}/{time}" for time, count in given.items() if count]
