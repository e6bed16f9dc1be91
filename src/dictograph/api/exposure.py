"""Who could reach the service: checked before it begins to listen."""

from __future__ import annotations

from collections.abc import Sequence

from dictograph.api.clients import is_loopback
from dictograph.contract import Address
from dictograph.errors import SettingsError
from dictograph.service.auth.authentication import Authentication
from dictograph.settings.model import Settings


async def check_exposure(addresses: Sequence[Address], authentication: Authentication, settings: Settings) -> None:
    """Check that the service may listen on these addresses. One that other machines reach needs a key, or a setting
    that says expressly that no key is needed.

    Raises:
        SettingsError: naming the first address that is not allowed, and what to do.
        DatabaseUnavailable.
    """
    others = reached_by_others(addresses)
    if not others or settings.insecure or settings.anonymous or await authentication.has_keys():
        return
    raise SettingsError(
        f"{others[0]} can be reached from other machines, and there are no keys: whoever calls could do everything. "
        "Create one with `dictograph keys create`, listen on 127.0.0.1 only, or allow it with --insecure."
    )


def reached_by_others(addresses: Sequence[Address]) -> list[str]:
    """Return those of the addresses that other machines reach."""
    return [one.authority for one in addresses if not is_loopback(one.authority.rpartition(":")[0])]
