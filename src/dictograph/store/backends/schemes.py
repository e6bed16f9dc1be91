"""The URL schemes of databases, known before a database library is imported."""

from __future__ import annotations

from collections.abc import Mapping

from dictograph.runtime.url_scheme import scheme_of, unknown

SQLITE, POSTGRES = "sqlite", "postgresql"

_KINDS: Mapping[str, str] = {"sqlite": SQLITE, "postgresql": POSTGRES, "postgres": POSTGRES}
_WAYS = ("sqlite:///FILE", "postgresql://USER:PASSWORD@HOST/NAME")


def scheme_kind(url: str) -> str:
    """Return `sqlite` or `postgresql`. Raises ValueError for anything else, without repeating the URL."""
    scheme = scheme_of(url).partition("+")[0]
    if scheme not in _KINDS:
        if "://" not in url:
            raise ValueError(f"this is not a database URL; give {' or '.join(_WAYS)}")
        raise unknown(scheme, "database", _WAYS)
    return _KINDS[scheme]


def check_database_url(url: str) -> str:
    """Return the URL unchanged. Raises ValueError like `scheme_kind`."""
    scheme_kind(url)
    return url
