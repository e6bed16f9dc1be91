"""The caller of a request, and what that caller may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from dictograph.job import LOCAL_OWNER
from dictograph.store.keys import KeyRates


class Scope(StrEnum):
    """What a key allows: to make and change jobs, to read jobs, or to operate the service. `admin` includes the other
    two, and also reads the status of the whole service. Like every key it sees only the jobs of its owner."""

    TRANSCRIBE = "transcribe"
    READ = "read"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    Args:
        owner: the owner of the jobs that it makes and sees.
        scopes: what it may do.
        key_id: the id of its key; None where no key is needed.
        client: the key or address under which its calls are counted.
        rates: the rate limits of its key.
    """

    owner: str
    scopes: frozenset[Scope] = ALL_SCOPES
    key_id: str | None = None
    client: str = ""
    rates: KeyRates = field(default_factory=KeyRates)

    def may(self, scope: Scope) -> bool:
        """Return whether the caller has this scope; `admin` has all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


#: The caller of a service that has no keys, from the same machine.
LOCAL_CALLER = Caller(LOCAL_OWNER)
