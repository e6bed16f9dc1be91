"""A message of the client as one of `dictograph.broker`."""

from __future__ import annotations

from typing import Any

from dictograph.broker import Incoming

#: The client's mark for a message without a time.
_NO_TIME = 0


def incoming(message: Any) -> Incoming:
    """Return a received message."""
    kind, milliseconds = message.timestamp()
    return Incoming(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        tuple((name, value or b"") for name, value in message.headers() or ()),
        None if kind == _NO_TIME else milliseconds / 1000,
    )
