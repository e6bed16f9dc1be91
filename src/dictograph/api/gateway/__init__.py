"""The surface of the contract."""

from __future__ import annotations

from dictograph.api.surface import Parts, Surface
from dictograph.contract import Contract


def surface(parts: Parts) -> Surface:
    """The routes of this contract."""
    del parts
    return Surface(Contract.GATEWAY, [])
