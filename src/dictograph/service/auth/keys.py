"""Make, list, revoke and rotate keys.

A key is `dg_`, the id of its row, `_` and 32 random bytes in base 62. People and scanners for leaked secrets recognise
a key by its form. The id is no secret; it tells which key to revoke. A key is shown once, when it is made.

The database stores the SHA-256 of a key. A slow hash, as for passwords, would protect nothing: passwords are guessed
from lists, but 256 random bits cannot be guessed, and each request would take longer. The search by hash also
prevents timing attacks: the number of equal bytes of two hashes tells nothing about the two keys.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field

from dictograph.errors import InvalidRequest, NotFound
from dictograph.job import LOCAL_OWNER
from dictograph.service.auth.access import Scope
from dictograph.service.request import check_url
from dictograph.settings.values import check_rate
from dictograph.store import keys as store
from dictograph.store.database import Database
from dictograph.store.keys import Key, KeyRates, NewKey

PREFIX = "dg_"

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BYTES = 32
_SIGNS = 43  # 62 ** 43 > 2 ** 256
_ID_SIGNS = 12
_ID_DIGITS = string.digits + string.ascii_lowercase
_NAME_LENGTH = 200

#: A whole key, or the id of a key alone.
_NAMED = re.compile(rf"{PREFIX}([0-9a-z]{{{_ID_SIGNS}}})_.*|([0-9a-z]{{1,{_ID_SIGNS}}})")


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key to make.

    Args:
        owner: the owner of the jobs that it makes and sees.
        name: its name for people.
        scopes: what it allows.
        lives: its lifetime (s); None: until it is revoked.
        rates: its rate limits, in place of those of the settings.
        webhook_url: the receiver of the ends of its jobs.
    """

    owner: str = LOCAL_OWNER
    name: str = ""
    scopes: Sequence[Scope] = (Scope.TRANSCRIBE, Scope.READ)
    lives: float | None = None
    rates: KeyRates = field(default_factory=KeyRates)
    webhook_url: str | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key. The client sends `secret`; the secret cannot be read again later."""

    key: Key
    secret: str


class Keys:
    """The operations of an operator on keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, request: KeyRequest) -> Issued:
        """Make a key.

        Raises:
            InvalidRequest: the owner, name, a rate or the URL cannot be used.
        """
        _check(request)
        id, secret = _made()
        new = NewKey(
            id=id,
            hash=hash_of(secret),
            owner=request.owner,
            name=request.name,
            scopes=[scope.value for scope in dict.fromkeys(request.scopes)],
            rates=request.rates,
            webhook_url=request.webhook_url,
            lives=request.lives,
        )
        return Issued(await self._database.write(lambda conn: store.create_key(conn, new)), secret)

    async def list(self, owner: str | None = None) -> list[Key]:
        """Return all keys, or those of an owner, oldest first."""
        return await self._database.read(lambda conn: store.list_keys(conn, owner))

    async def revoke(self, id: str) -> Key:
        """Revoke a key, from the next request on. `id` is its id, or the whole key. Raises NotFound."""
        known = id_of(id)
        return await self._database.write(lambda conn: store.revoke_key(conn, known))

    async def rotate(self, id: str, overlap: float, lives: float | None = None) -> Issued:
        """Make a key with the same rights. The old key, given by its id or as a whole, stays valid for another
        `overlap` seconds.

        Raises:
            NotFound, KeyNotUsable.
        """
        known = id_of(id)
        new_id, secret = _made()
        new = NewKey(new_id, hash_of(secret), owner="", name="", scopes=(), lives=lives)
        return Issued(await self._database.write(lambda conn: store.rotate_key(conn, known, new, overlap)), secret)


def hash_of(secret: str) -> str:
    """Return the SHA-256 of a key, in hexadecimal; only this is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(text: str) -> str:
    """Return the id in a whole key, or the given id. Raises NotFound; the message never repeats the text, which may be
    a secret."""
    found = _NAMED.fullmatch(text)
    if found is None:
        raise NotFound("That is not the id of a key: `dictograph keys list` shows them.")
    return found[1] or found[2]


def _made() -> tuple[str, str]:
    id = "".join(secrets.choice(_ID_DIGITS) for _ in range(_ID_SIGNS))
    number, signs = int.from_bytes(secrets.token_bytes(_BYTES)), ""
    for _ in range(_SIGNS):
        number, digit = divmod(number, len(_DIGITS))
        signs += _DIGITS[digit]
    return id, f"{PREFIX}{id}_{signs}"


def _check(request: KeyRequest) -> None:
    if not request.owner:
        raise InvalidRequest("A key needs an owner.", param="owner")
    for param, text in (("owner", request.owner), ("name", request.name)):
        if len(text) > _NAME_LENGTH or not text.isprintable():
            raise InvalidRequest(f"`{param}` must be at most {_NAME_LENGTH} printable characters.", param=param)
    if not request.scopes:
        raise InvalidRequest("A key needs a scope.", param="scope")
    if request.webhook_url is not None:
        check_url(request.webhook_url, "webhook_url")
    for rate in (*(request.rates.requests or ()), *(request.rates.jobs or ())):
        try:
            check_rate(rate)
        except ValueError as error:
            raise InvalidRequest(f"The rate {rate!r} cannot be used: {error}.", param="rate") from error
