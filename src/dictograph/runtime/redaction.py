"""Removes secrets from text: they appear neither in logs, nor in `dictograph settings`, nor in messages."""

from __future__ import annotations

import re

HIDDEN = "***"

# Up to the last @: a password may hold one that was not written as %40. One of these servers' may hold a / as well.
_PASSWORD = re.compile(
    r"(?P<before>\b(?:postgres[a-z0-9+.-]*|rediss?)://[^\s:/@]*):\S*(?=@)"
    r"|(?P<other>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/]*(?=@)",
    re.IGNORECASE,
)
# A password whose colon was forgotten looks like a user.
_LONE_PASSWORD = re.compile(r"\b(rediss?://)[^\s:/@]+(?=@)", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(?P<before>[?&;]([\w-]*(password|secret|token|ticket|signature|credential|key)[\w-]*)=)[^\s&;#\"']+",
    re.IGNORECASE,
)
# Our own secrets, anywhere in the text: a key, but for its id, which shows the key to revoke; a ticket.
_KEY = re.compile(r"\b(dg_[0-9a-z]{12}_)[0-9A-Za-z]+")
_TICKET = re.compile(r"\b(dt_)[\w-]+\.[\w-]+")
_CREDENTIALS = re.compile(
    r"(?P<before>\bauthorization\W{1,4}b?['\"]?bearer\s+|\bx-api-key['\"]?\s*[:=,]\s*b?['\"]?)[^\s'\",`]+",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(r"password|secret|token|(^|(?<!routing)_)keys?(_|$)")
# A path in quotation marks, or as a separate word: not a part of a URL or of `audio/wav`.
_PATH = re.compile(
    r"""(?P<mark>['"`])(?P<quoted>/[^'"`\n]*/[^'"`\n]*)(?P=mark)|(?<![\w:/.*~<])(?P<plain>/[^\s'"`,;:()<>]+/[^\s'"`,;:()<>]*)"""
)


def redacted(text: str) -> str:
    """Return the text without the passwords and signatures of its URLs, and without keys and tickets."""
    text = _PASSWORD.sub(lambda found: f"{found['before'] or found['other']}:{HIDDEN}", text)
    for pattern in (_LONE_PASSWORD, _KEY, _TICKET):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    for pattern in (_PARAMETER, _CREDENTIALS):
        text = pattern.sub(rf"\g<before>{HIDDEN}", text)
    return text


def without_folders(text: str, shown: str = "") -> str:
    """Return the text with each absolute path cut to its last name. The path `shown` stays unchanged.

    A path in quotation marks may contain spaces; any other path ends with the word.
    """

    def last(found: re.Match[str]) -> str:
        path = found["quoted"] or found["plain"]
        if shown and path.startswith(shown):
            return found[0]
        return found[0].replace(path, path.rstrip("/").rpartition("/")[2] or "/")

    return _PATH.sub(last, text)


def is_secret(name: str) -> bool:
    """Return whether the whole value of a setting of this name is secret."""
    return bool(_SECRET_NAME.search(name))
