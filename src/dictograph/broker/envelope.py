"""Messages for a broker as the outbox keeps them: JSON. Keys are bytes of any kind, values and headers are texts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from dictograph.broker import Outgoing


def as_payload(message: Outgoing) -> dict[str, Any]:
    """Return the message as the payload of a row. Its value and headers are UTF-8."""
    return {
        "topic": message.topic,
        "key": None if message.key is None else b64encode(message.key).decode(),
        "value": None if message.value is None else message.value.decode(),
        "headers": [[name, value.decode()] for name, value in message.headers],
    }


def from_payload(payload: Mapping[str, Any]) -> Outgoing:
    """Return the message that a row keeps, byte for byte as it was given to `as_payload`."""
    key, value = payload.get("key"), payload.get("value")
    return Outgoing(
        str(payload["topic"]),
        None if key is None else b64decode(key),
        None if value is None else str(value).encode(),
        tuple((str(name), str(text).encode()) for name, text in payload.get("headers") or ()),
    )
