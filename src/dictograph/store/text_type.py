"""Text that every database can store: PostgreSQL has no NUL, and UTF-8 has no half of a surrogate pair."""

from __future__ import annotations

import json
import math
import re
from typing import Any

#: The character that replaces one that cannot be stored.
REPLACEMENT = "\ufffd"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """Return the text with every character replaced that cannot be stored."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def clean_json(value: Any) -> str:
    """Return the value as compact JSON, with clean texts. NaN and infinity become null: JSON has neither."""
    try:
        text = _dump(value)
    except ValueError:
        return _dump(cleaned(value))
    # NUL is an escape in the JSON. A backslash before it may be text, so the values are cleaned and not the JSON.
    if "\\u0000" in text or _UNSTORABLE.search(text):
        return _dump(cleaned(value))
    return text


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def cleaned(value: Any) -> Any:
    """Return the value, made of JSON's types, as the database will give it back."""
    match value:
        case str():
            return clean(value)
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {cleaned(key): cleaned(one) for key, one in value.items()}
        case list() | tuple():
            return [cleaned(one) for one in value]
    return value
