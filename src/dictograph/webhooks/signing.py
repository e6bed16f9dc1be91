"""Signatures by the Standard Webhooks specification, 1.0.0: HMAC-SHA256 with a secret that both sides know."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"

#: The length of a secret in bytes; the specification requires 24 to 64.
_SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new secret in its text form: `whsec_` and base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def signature(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,` and the signature of the message, in base64."""
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    signed = b".".join((webhook_id.encode("ascii"), str(timestamp).encode("ascii"), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def signed_headers(webhook_id: str, timestamp: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """Return the three headers of an attempt.

    Args:
        webhook_id: the id of the webhook, the same at all attempts.
        timestamp: the time of this attempt, in seconds since 1970.
        keys: the valid secrets; a receiver needs only one of them.
    """
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(key, webhook_id, timestamp, body) for key in keys),
    }
