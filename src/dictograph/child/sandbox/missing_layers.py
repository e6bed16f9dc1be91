"""The layers that a child lacks, as it reports them to its parent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache

from dictograph.child.sandbox.policy import Layer

log = logging.getLogger(__name__)

_LONGEST = 200


def parsed(told: object) -> dict[str, str]:
    """Return the layers that a child reports as missing, with the reasons. The child already works on hostile bytes
    and may report anything.
    """
    reasons = told if isinstance(told, dict) else {}
    return {layer: " ".join(str(reasons[layer]).split())[:_LONGEST] for layer in Layer if layer in reasons}


def tell(lacks: Mapping[str, str]) -> None:
    """Log the layers that a child lacks. Nothing is logged twice."""
    for layer, reason in lacks.items():
        _tell(layer, reason)


@lru_cache(maxsize=64)
def _tell(layer: str, reason: str) -> None:
    log.warning("children are confined without %s: %s (`dictograph doctor` says what to do)", layer, reason)
