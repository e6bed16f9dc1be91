"""The contracts that clients speak: the native API, and those of older systems and of the field."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
    STT_WORKER = "stt-worker"


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The limits of a contract for a job, frozen when it is created. None: the service's limit.

    Args:
        max_bytes: the most bytes of its audio, as received.
        max_audio: the most seconds of audio.
        max_attempts: the number of failed attempts, without a new window in between, after which it is dead.
        all_attempts: the same, with or without a new window in between.
        download_timeout: the most seconds to fetch its audio.
        attempt_timeout: the most seconds of one attempt, after its audio is there.
        backoff_base: the seconds before the second attempt; they double with each one,
        backoff_cap: up to this number.
    """

    max_bytes: int | None = None
    max_audio: float | None = None
    max_attempts: int | None = None
    all_attempts: int | None = None
    download_timeout: float | None = None
    attempt_timeout: float | None = None
    backoff_base: float | None = None
    backoff_cap: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the limits that are set, as JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on: `authority` is HOST:PORT, and `first` the contract that has priority there."""

    authority: str
    first: Contract = Contract.NATIVE

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address of HOST:PORT or CONTRACT@HOST:PORT."""
        contract, at, authority = text.rpartition("@")
        if contract == Contract.STT_WORKER.value:
            raise ValueError(f"the contract {contract} has no routes")
        return cls(authority, Contract(contract) if at else Contract.NATIVE)
