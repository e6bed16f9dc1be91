"""Keys for tests, made on the database of a service as an operator does it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from dictograph.service.auth.access import Scope
from dictograph.service.auth.keys import Issued, KeyRequest, Keys
from dictograph.store.database import Database
from dictograph.store.keys import KeyRates

T = TypeVar("T")


def with_keys(url: str, work: Callable[[Keys], Awaitable[T]]) -> T:
    """Do something with the keys of the database at `url`, which a service may be using."""

    async def run() -> T:
        database = Database.open(url, 2)
        try:
            return await work(Keys(database))
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:  # a browser's driver has an event loop in the test's own
        return thread.submit(lambda: asyncio.run(run())).result()


def make_key(
    url: str,
    owner: str = "alice",
    scopes: tuple[str, ...] = ("transcribe", "read"),
    lives: float | None = None,
    rates: KeyRates | None = None,
) -> Issued:
    """A new key."""
    wanted = KeyRequest(owner, "for a test", [Scope(scope) for scope in scopes], lives, rates or KeyRates())
    return with_keys(url, lambda keys: keys.create(wanted))


def revoke(url: str, *ids: str) -> None:
    async def work(keys: Keys) -> None:
        for id in ids:
            await keys.revoke(id)

    with_keys(url, work)


def by_key(secret: str) -> dict[str, str]:
    return {"x-api-key": secret}


def by_bearer(secret: str) -> dict[str, Any]:
    return {"authorization": f"Bearer {secret}"}
