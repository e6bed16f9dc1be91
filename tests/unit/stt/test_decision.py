"""The table "when an offset is done", line by line."""

from __future__ import annotations

from dictograph.broker import Incoming
from dictograph.stt.decision import Accept, Decision, Known, Reject, Repeat, decide
from tests.unit.stt.jobs import message, value

FIRST = ("stt.jobs", 0, 7)


def decided(incoming: Incoming, known: Known | None = None, letter: Known | None = None, fault: str = "") -> Decision:
    return decide(incoming, 2**20, lambda _: known, lambda _: letter, lambda _: fault)


def test_a_new_job_is_stored() -> None:
    decision = decided(message(value()))
    assert isinstance(decision, Accept)
    assert decision.job.job_id == "j-1"


def test_a_known_job_from_elsewhere_is_done_at_once() -> None:
    known = Known("row", value(), FIRST)
    assert decided(message(value(createdAt=5, correlationId=None), offset=8), known) == Repeat(None)


def test_the_same_offset_again_is_the_rows_own_message() -> None:
    assert decided(message(value()), Known("row", value(), FIRST)) == Repeat("row")


def test_a_known_id_with_another_address_or_language_is_rejected() -> None:
    known = Known("row", value(), FIRST)
    for other in (value(audioUrl="https://example.org/b.mp3"), value(languageHint="en-IN"), value(languageHint=None)):
        decision = decided(message(other, offset=8), known)
        assert isinstance(decision, Reject)
        assert decision.fault.code == "JOB_ID_REUSED"
        assert decision.fault.job_id == "j-1"


def test_no_valid_job_is_rejected_and_once_more_it_is_known() -> None:
    decision = decided(message(b"no job"))
    assert isinstance(decision, Reject)
    assert decision.fault.code == "INVALID_PAYLOAD"
    assert decided(message(b"no job"), letter=Known("row", b"no job", FIRST)) == Repeat("row")


def test_what_cannot_be_fetched_at_all_is_rejected() -> None:
    decision = decided(message(value()), fault="`audioUrl` is not a URL.")
    assert isinstance(decision, Reject)
    assert (decision.fault.code, decision.fault.job_id) == ("INVALID_PAYLOAD", "j-1")


def test_no_value_is_done_at_once() -> None:
    assert decided(message(None)) == Repeat(None)


def test_what_is_too_long_is_not_read() -> None:
    decision = decided(message(value(extra="x" * 2**20)))
    assert isinstance(decision, Reject)
    assert decision.fault.payload is None
