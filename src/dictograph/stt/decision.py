"""What has to be done with a message: the contract's table "when an offset is done", as a pure decision.

| message | what is stored | what is published | when it is done |
| --- | --- | --- | --- |
| a new job | the job, and the message with it | its answers, at its end | see `OffsetRule` |
| a job that is known | nothing | nothing more | with the message that is known |
| a known job's id with another address or language | the message | its dead letter | with the acknowledgement |
| no valid job | the message | its dead letter | with the acknowledgement |
| such a message, once more | nothing | nothing more | with the message that is known |
| no value | nothing | nothing | at once |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from dictograph.broker import Incoming
from dictograph.stt.job_message import INVALID_PAYLOAD, JOB_ID_REUSED, JobMessage, Unusable, read_job, value_mark


class OffsetRule(Enum):
    """When the offset of a job's message may be committed: with the job's row, which a database that all workers share
    keeps for them; or, where the database is this worker's own, when the broker has acknowledged the job's answers. So
    a worker's folder may be deleted at any time, and what was not done comes again."""

    ROW = auto()
    ANSWER = auto()


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of an earlier message: its row's id, the value that it had, and where it came from."""

    id: str
    value: bytes
    place: tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Accept:
    """Store a job, and the message with it."""

    job: JobMessage
    mark: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Store the message, and its dead letter with it. It is done when the broker has acknowledged the letter."""

    fault: Unusable
    mark: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """Store nothing. `waits_for` is the row that it is done with; None: it is done at once."""

    waits_for: str | None = None


Decision = Accept | Reject | Repeat


def place_of(message: Incoming) -> tuple[str, int, int]:
    """Return topic, partition and offset."""
    return message.topic, message.partition, message.offset


def decide(
    message: Incoming,
    most_bytes: int,
    job_of: Callable[[str], Known | None],
    letter_of: Callable[[str], Known | None],
    fault_of: Callable[[JobMessage], str] = lambda _: "",
) -> Decision:
    """Return what has to be done with a message.

    `job_of` returns what is stored of the message with a sender's job id that became a job, `letter_of` what is stored
    of one with a mark that became a dead letter. `fault_of` says what is wrong with a job beyond its form, or nothing.
    """
    if message.value is None:
        return Repeat()
    found = read_job(message.value, most_bytes)
    mark = value_mark(message.value, found, "/".join(map(str, place_of(message))))
    if isinstance(found, JobMessage) and (fault := fault_of(found)):
        found = Unusable(INVALID_PAYLOAD, fault, found.payload)
    if isinstance(found, JobMessage):
        known = job_of(found.job_id)
        if known is None:
            return Accept(found, mark)
        if _is_same(known, found):
            return Repeat(known.id if known.place == place_of(message) else None)
        fault = f"The job {found.job_id[:200]} is known with another `audioUrl` or `languageHint`."
        found = Unusable(JOB_ID_REUSED, fault, found.payload)
    if (letter := letter_of(mark)) is not None:
        return Repeat(letter.id)
    return Reject(found, mark)


def _is_same(known: Known, job: JobMessage) -> bool:
    """Return whether the job is the known one: what differs when it is published again does not count."""
    first = read_job(known.value, len(known.value))
    return isinstance(first, JobMessage) and (first.audio_url, first.language_hint) == (
        job.audio_url,
        job.language_hint,
    )
