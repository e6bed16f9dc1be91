"""What came of jobs from a topic, and what is wrong with it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reply:
    """A result or dead letter as it was read: its id, its bytes, and when it was sent (ms since 1970)."""

    id: bytes
    value: bytes
    sent: int


def _replies() -> defaultdict[str, list[Reply]]:
    return defaultdict(list)


@dataclass(frozen=True, slots=True)
class Answers:
    """`promised` has the file of each `jobId`, `bad` are files that cannot be transcribed."""

    bad: frozenset[str]
    promised: dict[str, str] = field(default_factory=dict)
    results: defaultdict[str, list[Reply]] = field(default_factory=_replies)
    letters: defaultdict[str, list[Reply]] = field(default_factory=_replies)

    def fails(self, job: str) -> bool:
        """Whether the file of this job cannot be transcribed."""
        return self.promised[job] in self.bad


def stt_faults(answers: Answers) -> Mapping[str, list[str]]:
    """What is wrong with the answers, by the names in `faults.STT_FAULTS`."""
    found: dict[str, list[str]] = {
        "unanswered": [],
        "wrong_status": [],
        "two_answers": [],
        "repeats_differ": [],
        "letters": [],
    }
    for job in answers.promised:
        results, letters = answers.results.get(job, []), answers.letters.get(job, [])
        if not results:
            found["unanswered"].append(job)
            continue
        if json.loads(results[0].value)["status"] != ("FAILED" if answers.fails(job) else "COMPLETED"):
            found["wrong_status"].append(f"{job}: {results[0].value!r}")
        for what, replies in (("results", results), ("letters", letters)):
            if len({reply.id for reply in replies}) > 1:
                found["two_answers"].append(f"{what} of {job}")
            elif len({reply.value for reply in replies}) > 1:
                found["repeats_differ"].append(f"{what} of {job}")
        if bool(letters) != answers.fails(job) or (letters and letters[0].sent > results[0].sent):
            found["letters"].append(job)
    found["two_answers"] += [f"unknown {job}" for job in {*answers.results, *answers.letters} - set(answers.promised)]
    return found
