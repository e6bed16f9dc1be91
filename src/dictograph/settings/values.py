"""How the values of settings are written: durations, sizes, lists, folders, addresses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from dictograph.runtime.url_scheme import plain_folder

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$")
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(b|kib|mib|gib|tib|kb|mb|gb|tb)?\s*$", re.IGNORECASE)
_SIZE_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    unit: 2 ** (10 * power) for power, unit in enumerate(("kib", "mib", "gib", "tib"), start=1)
}
#: HOST:PORT, with the contract that wins there before an `@`.
_LISTEN = re.compile(
    r"^(?:(?:native|gateway|backend|path|openai|asr)@)?(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})$"
)


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match is None:
            raise ValueError("give seconds, or a number with ms, s, m, h or d, as in 30s or 7d")
        return float(match[1]) * _DURATION_UNITS[match[2] or "s"]
    return value


def _size(value: object) -> object:
    if isinstance(value, str):
        match = _SIZE.match(value)
        if match is None:
            raise ValueError("give bytes, or a number with a unit, as in 500MB or 2GiB")
        return int(float(match[1]) * _SIZE_UNITS[(match[2] or "b").lower()])
    return value


def comma_list(value: object) -> object:
    """The parts of a text with commas; anything else as it is."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def names(value: object) -> object:
    """As `comma_list`; the word `none` alone is the empty list, since an empty text counts as not given."""
    listed = comma_list(value)
    return [] if listed == ["none"] else listed


def _pairs(value: object) -> object:
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): target.strip() for name, _, target in pairs}
    return value


def _address(value: str) -> str:
    match = _LISTEN.match(value)
    if match is None or int(match[1]) > 65535:
        raise ValueError("give HOST:PORT, as in 127.0.0.1:8000 or [::1]:8000, or CONTRACT@HOST:PORT")
    return value


def _plain_address(value: str) -> str:
    if "@" in _address(value):
        raise ValueError("give HOST:PORT without a contract")
    return value


def check_rate(value: str) -> str:
    """A rate as it is written. Raises ValueError."""
    from limits import parse_many  # a tenth of a second, which few commands need

    try:
        good = all(item.amount > 0 for item in parse_many(value))
    except ValueError:
        good = False
    if not good:
        raise ValueError("give a number and a time, as in 600/minute")
    return value


def _addresses(values: list[str]) -> list[str]:
    """Whose a port is must be clear: a connection is told apart by its port alone."""
    owners: dict[str, str] = {}
    for value in values:
        contract, _, authority = value.rpartition("@")
        port = authority.rpartition(":")[2]
        if int(port) and owners.setdefault(port, contract) != contract:
            raise ValueError(f"port {port} is named for two contracts; give each a port of its own")
    return list(dict.fromkeys(values))


def _folder(value: object) -> object:
    if isinstance(value, Path):
        return value.expanduser().absolute()
    return plain_folder(value) if isinstance(value, str) and value else value


Seconds = Annotated[float, BeforeValidator(_duration), Field(ge=0)]
Bytes = Annotated[int, BeforeValidator(_size), Field(ge=0)]
Listed = Annotated[list[str], BeforeValidator(comma_list)]
Rates = Annotated[list[Annotated[str, AfterValidator(check_rate)]], BeforeValidator(comma_list)]
Paired = Annotated[dict[str, str], BeforeValidator(_pairs)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Folders = Annotated[list[Folder], BeforeValidator(comma_list)]
Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[list[Address], BeforeValidator(comma_list), Field(min_length=1), AfterValidator(_addresses)]
PlainAddresses = Annotated[list[Annotated[str, AfterValidator(_plain_address)]], BeforeValidator(comma_list)]
