"""Jobs of contract K: each message becomes a job, a dead letter or nothing, in one transaction with its row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

from sqlalchemy import Connection

from dictograph.broker import Incoming
from dictograph.contract import Contract
from dictograph.errors import InvalidRequest
from dictograph.job import LOCAL_OWNER, Options, Source, SourceKind
from dictograph.languages import language_code
from dictograph.service.compat.contracts import limits_of, options_of
from dictograph.service.naming import name_of_url
from dictograph.service.request import check_url
from dictograph.settings.model import Settings
from dictograph.store.compat import intakes
from dictograph.store.compat.intakes import Intake
from dictograph.store.compat.stt_answers import as_reply, enqueue_letter
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.stt.answers import Reply
from dictograph.stt.decision import Accept, Known, Reject, Repeat, decide
from dictograph.stt.job_message import JobMessage, attempt_of

_CONTRACT = Contract.STT_WORKER.value

#: The most bytes of a message that are read: a job is a few hundred.
MOST_BYTES = 2**20

#: The most bytes of a key or of a trace header that are kept.
_MOST_KEY = 4096
_TRACE = ("traceparent", "tracestate")


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was taken. `intake_id` is the row that its answers belong to, None when it needs none;
    `is_job`: that row became a job."""

    message: Incoming
    intake_id: str | None = None
    is_job: bool = False


class SttJobs:
    """Takes messages; the settings say what is frozen into each job, and where its answers go."""

    def __init__(
        self, settings: Settings, most_bytes: Callable[[], int], is_stored: Callable[[str], bool] = lambda _: False
    ) -> None:
        """`most_bytes` is the length of a message that the broker takes, as it is known now. `is_stored` tells
        whether a URL is that of an object of the storage, which no fetcher reads."""
        self._settings = settings
        self._most_bytes = most_bytes
        self._is_stored = is_stored
        self._limits = limits_of(settings, Contract.STT_WORKER)
        model = settings.stt_model or settings.model
        url = f"{settings.public_url.rstrip('/')}/v1/transcriptions/{{id}}/transcript?format=txt"
        self._reply = Reply(
            settings.stt_results_topic,
            settings.stt_dead_letter_topic,
            model,
            0,
            url if settings.public_url else "",
        )

    def take(self, conn: Connection, messages: Sequence[Incoming]) -> list[Taken]:
        """Store what has to be stored for messages, in their order: one transaction."""
        return [self._take(conn, message) for message in messages]

    def _take(self, conn: Connection, message: Incoming) -> Taken:
        decision = decide(message, MOST_BYTES, partial(_job_of, conn), partial(_letter_of, conn), self._fault_of)
        match decision:
            case Repeat(None):
                return Taken(message)
            case Repeat(known):
                return Taken(message, known, is_job=intakes.has_job(conn, str(known)))
            case Reject(fault, mark):
                stored = self._intake(message, mark, sender_id=fault.job_id, error_code=fault.code)
                intakes.store(conn, stored)
                enqueue_letter(conn, stored, fault)
                return Taken(message, stored.id)
            case Accept(job, mark):
                attempt = attempt_of(message.header("attempt"))
                made = create_job(conn, self._new_job(job, attempt))
                stored = self._intake(message, mark, sender_id=job.job_id, job_id=made.id)
                intakes.store(conn, stored)
                return Taken(message, stored.id, is_job=True)

    def _new_job(self, job: JobMessage, attempt: int) -> NewJob:
        return NewJob(
            id=str(uuid4()),
            owner=LOCAL_OWNER,
            filename=name_of_url(job.audio_url),
            source=Source(SourceKind.URL, job.audio_url),
            options=self._options(job),
            contract=Contract.STT_WORKER,
            limits=self._limits,
            # Counting starts at the number of the message; a message with a number over the limit gets one attempt.
            max_attempts=max(1, self._settings.stt_max_attempts - attempt),
        )

    def _options(self, job: JobMessage) -> Options:
        code = language_of(job.language_hint)
        return options_of(self._settings, Contract.STT_WORKER, {"language": code} if code else {})

    def _fault_of(self, job: JobMessage) -> str:
        try:
            if not self._is_stored(job.audio_url):  # which refuses another bucket than ours
                check_url(job.audio_url, "audioUrl")
        except InvalidRequest as error:
            return error.message
        return ""

    def _intake(
        self,
        message: Incoming,
        mark: str,
        sender_id: str | None = None,
        job_id: str | None = None,
        error_code: str | None = None,
    ) -> Intake:
        value = message.value or b""
        return Intake(
            id=str(uuid4()),
            contract=_CONTRACT,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            value_mark=mark,
            key=message.key[:_MOST_KEY] if message.key is not None else None,
            value=value[:MOST_BYTES],
            job_id=job_id,
            sender_id=sender_id,
            attempt=attempt_of(message.header("attempt")),
            trace=_trace(message),
            reply=as_reply(replace(self._reply, most_bytes=self._most_bytes())),
            error_code=error_code,
        )


def language_of(hint: str | None) -> str | None:
    """Return the language's code of a BCP-47 tag; None, so that it is found from the speech, for one that says none."""
    return language_code(hint) if hint else None


def _job_of(conn: Connection, sender_id: str) -> Known | None:
    intakes.hold_sender(conn, _CONTRACT, sender_id)
    return _known(intakes.of_sender(conn, _CONTRACT, sender_id))


def _letter_of(conn: Connection, mark: str) -> Known | None:
    return _known(intakes.of_value(conn, _CONTRACT, mark))


def _known(found: Intake | None) -> Known | None:
    if found is None:
        return None
    return Known(found.id, found.value or b"", (found.topic, found.partition, found.offset))


def _trace(message: Incoming) -> dict[str, str]:
    found = {name: message.header(name) for name in _TRACE}
    return {name: text[:_MOST_KEY].decode("ascii", "replace") for name, text in found.items() if text}
