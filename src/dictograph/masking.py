"""Secrets are never shown: not in logs, not by `dictograph settings`, not in messages."""

from __future__ import annotations

import re

HIDDEN = "***"

_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/@]*(?=@)", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(?P<before>[?&;]([\w-]*(password|secret|token|signature|credential|key)[\w-]*)=)[^\s&;#\"']+", re.IGNORECASE
)
_SECRET_NAME = re.compile(r"password|secret|token|(^|_)keys?(_|$)")


def masked(text: str) -> str:
    """The text without the passwords and signatures of the URLs in it."""
    return _PARAMETER.sub(rf"\g<before>{HIDDEN}", _PASSWORD.sub(rf"\g<before>:{HIDDEN}", text))


def is_secret(name: str) -> bool:
    """Whether a setting of this name is a secret as a whole."""
    return bool(_SECRET_NAME.search(name))
