"""Who calls: resolved once for each request, asked for by the routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from dictograph.contract import Contract
from dictograph.errors import ScopeMissing
from dictograph.service.access import LOCAL_CALLER, Caller, Scope


async def caller_of(connection: HTTPConnection) -> Caller:
    """The caller of a request or WebSocket. Raises Unauthorized when it must say who it is, and did not."""
    del connection
    return LOCAL_CALLER


async def guest_of(connection: HTTPConnection, contract: Contract, scope: Scope) -> Caller:
    """The caller of a contract's own route: that of its key; without one the contract's own owner, where that is allowed.

    Raises Unauthorized, ScopeMissing.
    """
    del connection
    return need(Caller(contract.value), scope)


def need(caller: Caller, scope: Scope) -> Caller:
    """The caller, if it may do this. Raises ScopeMissing."""
    if not caller.may(scope):
        raise ScopeMissing(f"This key may not do that: it lacks the scope `{scope}`.")
    return caller


async def _reader(connection: HTTPConnection) -> Caller:
    return need(await caller_of(connection), Scope.READ)


async def _creator(connection: HTTPConnection) -> Caller:
    return need(await caller_of(connection), Scope.TRANSCRIBE)


async def _admin(connection: HTTPConnection) -> Caller:
    return need(await caller_of(connection), Scope.ADMIN)


#: A route's parameter of one of these types has the caller, who has that scope.
Reader = Annotated[Caller, Depends(_reader)]
Creator = Annotated[Caller, Depends(_creator)]
Admin = Annotated[Caller, Depends(_admin)]
