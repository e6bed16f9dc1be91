"""Secrets are never shown: not in logs, not by `dictograph settings`, not in messages."""

from __future__ import annotations

import re

HIDDEN = "***"

# Up to the last @: a password may hold one that was not written as %40. One of PostgreSQL's may hold a / as well.
_PASSWORD = re.compile(
    r"(?P<before>\bpostgres[a-z0-9+.-]*://[^\s:/@]*):\S*(?=@)|(?P<other>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/]*(?=@)",
    re.IGNORECASE,
)
_PARAMETER = re.compile(
    r"(?P<before>[?&;]([\w-]*(password|secret|token|signature|credential|key)[\w-]*)=)[^\s&;#\"']+", re.IGNORECASE
)
_SECRET_NAME = re.compile(r"password|secret|token|(^|_)keys?(_|$)")


def masked(text: str) -> str:
    """The text without the passwords and signatures of the URLs in it."""
    without_passwords = _PASSWORD.sub(lambda found: f"{found['before'] or found['other']}:{HIDDEN}", text)
    return _PARAMETER.sub(rf"\g<before>{HIDDEN}", without_passwords)


def is_secret(name: str) -> bool:
    """Whether a setting of this name is a secret as a whole."""
    return bool(_SECRET_NAME.search(name))
