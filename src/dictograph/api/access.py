"""Callers: resolved once for each request; the routes ask for them."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends
from starlette.datastructures import State
from starlette.requests import HTTPConnection

from dictograph.api.clients import client_of, is_loopback
from dictograph.contract import Contract
from dictograph.errors import RequestError, ScopeMissing
from dictograph.service.auth.access import Caller, Scope
from dictograph.service.auth.authentication import Authentication
from dictograph.service.auth.credentials import RequestCredentials

#: Only this many characters of a key are read. No real key is longer.
_KEY_LENGTH = 1024

#: How a key in a URL is recognised: by its parameter's name, or by its own form.
_KEY_NAMES = frozenset({"api_key", "apikey", "api-key", "x-api-key", "access_token"})
_KEY_FORM = re.compile(r"dg_[0-9a-z]{12}_[0-9A-Za-z]{43}")


def remember(state: State, authentication: Authentication) -> None:
    """Store the authentication that the parameters of the application's routes use."""
    state.authentication = authentication


async def caller_of(connection: HTTPConnection) -> Caller:
    """Return the caller of a request or WebSocket.

    Raises:
        Unauthorized: the caller must identify itself, and did not.
        TooManyRequests, DatabaseUnavailable.
        RequestError: the caller put a key into the URL.
    """
    return await _authentication(connection).caller(credentials_of(connection))


async def guest_of(
    connection: HTTPConnection, contract: Contract, scope: Scope, *, makes_job: bool | None = None
) -> Caller:
    """Return the caller of a contract's own route: the key's caller. Without a key it is the contract's own owner,
    where that is allowed. `makes_job`: whether the call counts as a job that is made; by default it does if the scope
    is TRANSCRIBE.

    Raises what `caller_of` does, and ScopeMissing.
    """
    caller = require_scope(await _authentication(connection).guest(credentials_of(connection), contract, scope), scope)
    if makes_job or (makes_job is None and scope is Scope.TRANSCRIBE):
        await _authentication(connection).count_job(caller)
    return caller


def require_scope(caller: Caller, scope: Scope) -> Caller:
    """Return the caller, if it has the scope. Raises ScopeMissing."""
    if not caller.may(scope):
        raise ScopeMissing(f"This key may not do that: it lacks the scope `{scope}`.")
    return caller


def credentials_of(connection: HTTPConnection) -> RequestCredentials:
    """Return the credentials that the connection carries. Raises RequestError for a key in the URL."""
    _check_query(connection)
    job_id = connection.path_params.get("job_id")
    return RequestCredentials(
        client=client_of(connection.client.host if connection.client else ""),
        loopback=is_loopback(str((connection.scope.get("server") or ("",))[0])),
        keys=_keys(connection),
        ticket=connection.query_params.get("ticket") if _takes_tickets(connection) else None,
        job_id=None if job_id is None else str(job_id),
    )


def _authentication(connection: HTTPConnection) -> Authentication:
    found = connection.app.state.authentication
    assert isinstance(found, Authentication)
    return found


def _keys(connection: HTTPConnection) -> frozenset[str]:
    """Return the given keys. `Authorization` of another scheme is not for this service, but for a proxy."""
    given = connection.headers.getlist("x-api-key")
    for value in connection.headers.getlist("authorization"):
        scheme, _, credentials = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            given.append(credentials)
    return frozenset(key.strip()[:_KEY_LENGTH] for key in given)


def _takes_tickets(connection: HTTPConnection) -> bool:
    """Tell whether a ticket may be used: for WebSockets, and for reading one job. Before a route is found, every read
    counts: it may be one of a job."""
    if connection.scope["type"] == "websocket":
        return True
    parameters = connection.scope.get("path_params")
    return connection.scope["method"] in ("GET", "HEAD") and (parameters is None or "job_id" in parameters)


def _check_query(connection: HTTPConnection) -> None:
    for name, value in connection.query_params.multi_items():
        if name.lower() in _KEY_NAMES or _KEY_FORM.search(value):
            raise RequestError(
                "A key does not belong into a URL, which ends up in logs and histories: send it as `X-API-Key` or "
                "`Authorization: Bearer`, or get a ticket for `?ticket=` from `POST /v1/tickets`. Revoke this one.",
                param=name[:100],
            )


async def _reader(connection: HTTPConnection) -> Caller:
    return require_scope(await caller_of(connection), Scope.READ)


async def _changer(connection: HTTPConnection) -> Caller:
    return require_scope(await caller_of(connection), Scope.TRANSCRIBE)


async def _creator(connection: HTTPConnection) -> Caller:
    caller = await _changer(connection)
    await _authentication(connection).count_job(caller)
    return caller


async def _admin(connection: HTTPConnection) -> Caller:
    return require_scope(await caller_of(connection), Scope.ADMIN)


#: A route's parameter of one of these types is the caller, after a check of its scope. The caller may read jobs,
#: change them, make one (which is counted), or operate the service.
Reader = Annotated[Caller, Depends(_reader)]
Changer = Annotated[Caller, Depends(_changer)]
Creator = Annotated[Caller, Depends(_creator)]
Admin = Annotated[Caller, Depends(_admin)]
