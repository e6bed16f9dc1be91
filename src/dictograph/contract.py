"""The contracts that clients speak: the native API, and those of older systems and of the field."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Contract(StrEnum):
    """Through which a job came in; its limits, model and shapes follow from it."""

    NATIVE = "native"
    GATEWAY = "gateway"
    BACKEND = "backend"
    PATH = "path"
    OPENAI = "openai"
    ASR = "asr"


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What a contract allows a job, frozen when it is created. None: what the service allows.

    Args:
        max_bytes: the most bytes of its audio as it comes.
        max_audio: the most seconds of audio.
        max_attempts: so many failed attempts without a new window in between, and it is dead.
    """

    max_bytes: int | None = None
    max_audio: float | None = None
    max_attempts: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Those that are set, as JSON."""
        values = {"max_bytes": self.max_bytes, "max_audio": self.max_audio, "max_attempts": self.max_attempts}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: `authority` is HOST:PORT, and `first` the contract that wins there."""

    authority: str
    first: Contract = Contract.NATIVE

    @classmethod
    def parse(cls, text: str) -> Address:
        """Of HOST:PORT or CONTRACT@HOST:PORT."""
        contract, at, authority = text.rpartition("@")
        return cls(authority, Contract(contract) if at else Contract.NATIVE)
