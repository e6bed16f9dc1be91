"""The layers that a child lacks, as its parent hears of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache

from dictograph.child.sandbox.policy import Layer

log = logging.getLogger(__name__)

_LONGEST = 200


def parsed(told: object) -> dict[str, str]:
    """The layers that a child says that it lacks, with the reasons. It may say anything: it works already."""
    reasons = told if isinstance(told, dict) else {}
    return {layer: " ".join(str(reasons[layer]).split())[:_LONGEST] for layer in Layer if layer in reasons}


def tell(lacks: Mapping[str, str]) -> None:
    """Say in the log what a child lacks; what was said already is not said again."""
    for layer, reason in lacks.items():
        _tell(layer, reason)


@lru_cache(maxsize=64)
def _tell(layer: str, reason: str) -> None:
    log.warning("children are confined without %s: %s (`dictograph doctor` says what to do)", layer, reason)
