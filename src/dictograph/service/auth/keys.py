"""Keys: made, listed, revoked, rotated.

A key is `dg_`, the id of its row, `_` and 32 random bytes in base 62: whoever finds one knows what it is (so do
scanners for leaked secrets), and its id, which is no secret, says which one to revoke. It is shown once, when it
is made.

What is stored is its SHA-256. A slow hash, as passwords need, would protect nothing: those are guessed from lists
of what people choose, but nobody guesses 256 random bits, and each request would pay for it. Looking for the hash
also takes care of timing: how far two hashes agree says nothing about how far two keys do.
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

#: A key by its id: the whole of it, or the id alone.
_NAMED = re.compile(rf"{PREFIX}([0-9a-z]{{{_ID_SIGNS}}})_.*|([0-9a-z]{{1,{_ID_SIGNS}}})")


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key that somebody wants.

    Args:
        owner: whose jobs it makes and sees.
        name: what people call it.
        scopes: what it is good for.
        lives: for how long (s); None: until it is revoked.
        rates: what it may do in a while, in place of the settings.
        webhook_url: where the ends of its jobs are told.
    """

    owner: str = LOCAL_OWNER
    name: str = ""
    scopes: Sequence[Scope] = (Scope.TRANSCRIBE, Scope.READ)
    lives: float | None = None
    rates: KeyRates = field(default_factory=KeyRates)
    webhook_url: str | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key. `secret` is what its client sends; nobody can find it out later."""

    key: Key
    secret: str


class Keys:
    """What an operator does with keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, wanted: KeyRequest) -> Issued:
        """Make a key.

        Raises:
            InvalidRequest: the owner, name, a rate or the URL cannot be used.
        """
        _check(wanted)
        id, secret = _made()
        new = NewKey(
            id=id,
            hash=hash_of(secret),
            owner=wanted.owner,
            name=wanted.name,
            scopes=[scope.value for scope in dict.fromkeys(wanted.scopes)],
            rates=wanted.rates,
            webhook_url=wanted.webhook_url,
            lives=wanted.lives,
        )
        return Issued(await self._database.write(lambda conn: store.create_key(conn, new)), secret)

    async def list(self, owner: str | None = None) -> list[Key]:
        """All keys, or an owner's, oldest first."""
        return await self._database.read(lambda conn: store.list_keys(conn, owner))

    async def revoke(self, id: str) -> Key:
        """End a key, from the next request on. `id` is its id, or the whole key. Raises NotFound."""
        known = id_of(id)
        return await self._database.write(lambda conn: store.revoke_key(conn, known))

    async def rotate(self, id: str, overlap: float, lives: float | None = None) -> Issued:
        """Make a key that stands for the same; the old one, named by its id or as a whole, is good for another
        `overlap` seconds.

        Raises:
            NotFound, KeyNotUsable.
        """
        known = id_of(id)
        new_id, secret = _made()
        new = NewKey(new_id, hash_of(secret), owner="", name="", scopes=(), lives=lives)
        return Issued(await self._database.write(lambda conn: store.rotate_key(conn, known, new, overlap)), secret)


def hash_of(secret: str) -> str:
    """What is stored of a key: its SHA-256, in hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(text: str) -> str:
    """The id in a whole key, or the id that was given. Raises NotFound, without the text if it may be a secret."""
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


def _check(wanted: KeyRequest) -> None:
    if not wanted.owner:
        raise InvalidRequest("A key needs an owner.", param="owner")
    for param, text in (("owner", wanted.owner), ("name", wanted.name)):
        if len(text) > _NAME_LENGTH or not text.isprintable():
            raise InvalidRequest(f"`{param}` must be at most {_NAME_LENGTH} printable characters.", param=param)
    if not wanted.scopes:
        raise InvalidRequest("A key needs a scope.", param="scope")
    if wanted.webhook_url is not None:
        check_url(wanted.webhook_url, "webhook_url")
    for rate in (*(wanted.rates.requests or ()), *(wanted.rates.jobs or ())):
        try:
            check_rate(rate)
        except ValueError as error:
            raise InvalidRequest(f"The rate {rate!r} cannot be used: {error}.", param="rate") from error
