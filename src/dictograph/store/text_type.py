"""Text as every database can keep it: PostgreSQL has no NUL, and UTF-8 has no half of a surrogate pair."""

from __future__ import annotations

import json
import math
import re
from typing import Any

#: What is stored in the place of a character that cannot be.
REPLACEMENT = "\ufffd"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with every character that cannot be stored replaced."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def clean_json(value: Any) -> str:
    """The value as compact JSON, its texts cleaned; what is no number becomes null, for JSON has neither NaN nor
    infinity."""
    try:
        text = _dump(value)
    except ValueError:
        return _dump(cleaned(value))
    # NUL is written as an escape by then; a backslash before it may be text, so it is the values that are cleaned.
    if "\\u0000" in text or _UNSTORABLE.search(text):
        return _dump(cleaned(value))
    return text


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def cleaned(value: Any) -> Any:
    """The value, made of JSON's types, as it will come back from the database."""
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
