"""The contracts that clients speak: the native API, and those of older systems and of the field."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Contract(StrEnum):
    """The API contract of a job's request; it decides the limits, the model and the shapes of answers."""

    NATIVE = "native"
    GATEWAY = "gateway"
    BACKEND = "backend"
    PATH = "path"
    OPENAI = "openai"
    ASR = "asr"


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The limits of a contract for a job, frozen when it is created. None: the service's limit.

    Args:
        max_bytes: the most bytes of its audio, as received.
        max_audio: the most seconds of audio.
        max_attempts: the number of failed attempts, without a new window in between, after which it is dead.
    """

    max_bytes: int | None = None
    max_audio: float | None = None
    max_attempts: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the limits that are set, as JSON."""
        values = {"max_bytes": self.max_bytes, "max_audio": self.max_audio, "max_attempts": self.max_attempts}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on: `authority` is HOST:PORT, and `first` the contract that has priority there."""

    authority: str
    first: Contract = Contract.NATIVE

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address of HOST:PORT or CONTRACT@HOST:PORT."""
        contract, at, authority = text.rpartition("@")
        return cls(authority, Contract(contract) if at else Contract.NATIVE)
