"""What a starting service says for its profiles: the lines that older systems said, and what is different now."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dictograph.contract import Address, Contract
from dictograph.settings.profiles import gateway

log = logging.getLogger(__name__)

_LISTENING = {Contract.GATEWAY: gateway.listening}
_WORKING = {Contract.GATEWAY: gateway.working}


def log_listening(profiles: Sequence[str], addresses: Sequence[Address], socket: Address | None) -> None:
    """Log what these systems said when they took connections; scripts wait for it.

    Args:
        profiles: their names.
        addresses: where this process serves the contracts.
        socket: where it serves the gateway's WebSocket; None for a process that does not.
    """
    for name in profiles:
        if said := _LISTENING.get(Contract(name)):
            for line in said(addresses, socket):
                log.info(line)


def log_working(profiles: Sequence[str]) -> None:
    """Log what their workers said when they began."""
    for name in profiles:
        if said := _WORKING.get(Contract(name)):
            for line in said():
                log.info(line)


def model_failed(profiles: Sequence[str]) -> str:
    """Return the log line for a model that cannot be used, with places for its name and the reason."""
    return gateway.MODEL_FAILED if Contract.GATEWAY in profiles else "model %s cannot be used: %s"


def in_words(profiles: Sequence[str], queue: str) -> str:
    """The profiles, and where the `queue` is: "" for the database."""
    return f"{', '.join(profiles)}; the queue is {f'on {queue}' if queue else 'the database'}"
