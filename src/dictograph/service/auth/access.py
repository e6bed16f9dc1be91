"""Who a request acts for, and what that caller may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from dictograph.job import LOCAL_OWNER
from dictograph.store.keys import KeyRates


class Scope(StrEnum):
    """What a key is good for: to make jobs and change them, to read them, or to operate the service. `admin` may do
    both others too, and see how the service does as a whole; jobs it sees none but its owner's, like every key."""

    TRANSCRIBE = "transcribe"
    READ = "read"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is known.

    Args:
        owner: whose jobs it makes and sees.
        scopes: what it may do.
        key_id: the key it came with; None for those who need no key.
        client: for whom its calls are counted: a key or an address.
        rates: what it may do in a while.
    """

    owner: str
    scopes: frozenset[Scope] = ALL_SCOPES
    key_id: str | None = None
    client: str = ""
    rates: KeyRates = field(default_factory=KeyRates)

    def may(self, scope: Scope) -> bool:
        """Whether the caller has this scope; `admin` has all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


#: Who calls a service that has no keys, from the machine it runs on.
LOCAL_CALLER = Caller(LOCAL_OWNER)
