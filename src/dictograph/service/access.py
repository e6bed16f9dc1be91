"""Who a request acts for, and what that caller may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dictograph.job import LOCAL_OWNER


class Scope(StrEnum):
    """What a key is good for. `admin` is the operator: all owners' jobs, keys and webhooks."""

    TRANSCRIBE = "transcribe"
    READ = "read"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is known. `key_id` is None for those who need no key."""

    owner: str
    scopes: frozenset[Scope] = ALL_SCOPES
    key_id: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the caller has this scope; `admin` has all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


#: Who calls a service that has no keys, from the machine it runs on.
LOCAL_CALLER = Caller(LOCAL_OWNER)
