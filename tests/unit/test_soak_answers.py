"""The judge of answers from a topic sees what is wrong: each fault, made by hand where there was none."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.soak.faults import STT_FAULTS
from tests.soak.stt_answers import Answers, Reply, stt_faults


def reply(status: str = "COMPLETED", id: bytes = b"1", sent: int = 5, note: str = "") -> Reply:
    return Reply(id, json.dumps({"status": status, "note": note}).encode(), sent)


def answers() -> Answers:
    """A job that was done, and told twice; and one that failed, its letter first."""
    made = Answers(frozenset(["bad.mp3"]), {"good": "good.wav", "bad": "bad.mp3"})
    made.results["good"] += [reply(), reply(sent=9)]
    made.letters["bad"].append(reply(id=b"2", sent=4))
    made.results["bad"].append(reply("FAILED"))
    return made


MADE: dict[str, Callable[[Answers], object]] = {
    "unanswered": lambda a: a.promised.update(another="good.wav"),
    "wrong_status": lambda a: a.results.update(good=[reply("FAILED")]),
    "two_answers": lambda a: a.results["good"].append(reply(id=b"3")),
    "repeats_differ": lambda a: a.results["good"].append(reply(note="later")),
    "letters": lambda a: a.letters.update(bad=[reply(id=b"2", sent=6)]),
}


def test_where_nothing_is_wrong_nothing_is_found() -> None:
    assert [name for name, found in stt_faults(answers()).items() if found] == []


@pytest.mark.parametrize("fault", MADE)
def test_what_is_wrong_is_found(fault: str) -> None:
    made = answers()
    MADE[fault](made)
    assert [name for name, found in stt_faults(made).items() if found] == [fault]


def test_a_letter_that_is_missing_or_too_many_is_found() -> None:
    for change in (lambda a: a.letters.pop("bad"), lambda a: a.letters["good"].append(reply(id=b"2"))):
        made = answers()
        change(made)
        assert [name for name, found in stt_faults(made).items() if found] == ["letters"]


def test_an_answer_to_nobody_is_found() -> None:
    made = answers()
    made.results["unknown"].append(reply())
    assert [name for name, found in stt_faults(made).items() if found] == ["two_answers"]


def test_every_fault_is_looked_for() -> None:
    assert stt_faults(answers()).keys() == STT_FAULTS.keys() == MADE.keys()
