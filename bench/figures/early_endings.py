"""Windows that Whisper ends early, one in five: how many of the words that it leaves out are missing and not told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.contest import completed, settings
from bench.corpora import MIX, Corpus, write
from bench.figure import AT_MOST, Check, Goal, Measured, Table
from bench.real import base, recordings
from bench.room import Room
from bench.words import WordErrors, compare
from tests.engines.early import LEFT_OUT, ORDERS
from tests.service import Service

NAME = "early_endings"
TITLE = "Ten minutes in which Whisper ends one window in five early: words that are missing and not told"
GOAL = Goal(AT_MOST, 1.0, "% of those left out")

_PARTS, _QUICK_PARTS = 136, 8
_ONE_IN, _QUICK_ONE_IN = 5, 1
_LOOK_S = 1.0

_HOW = """The corpus `mix-en` (seed 1), {minutes:.1f} minutes. An engine of the tests (`tests/engines/early.py`) is
Whisper `base` that leaves out the second half of the text of some readings; which, their sound decides. The same file
is transcribed by Whisper as it is. Missing are words that the first deletes and the second does not, unless they are
in a part that a warning `speech_without_words` names."""


def measure(room: Room) -> Measured:
    (corpus,) = write(room.folder / "corpus", 1, recordings(), [MIX], _QUICK_PARTS if room.quick else _PARTS)
    with room.service("service", **_settings()) as service:
        orders = {"model": str(base()), "one_in": _QUICK_ONE_IN if room.quick else _ONE_IN}
        (service.folder / ORDERS).write_text(json.dumps(orders))
        whole, _ = _run(service, corpus, "whisper")
        early, job = _run(service, corpus, "early")
        left_out = (service.folder / LEFT_OUT).read_text().splitlines()
    lost = sum(len(text.split()) for text in left_out)
    told = sum(_words_within(corpus, w["start"], w.get("end")) for w in _warnings(job))
    missing = max(0, early.deleted - whole.deleted - told)
    room.say(f"{len(left_out)} readings without {lost} words; {missing} missing, {told} told")
    return Measured(
        value=100 * missing / max(1, lost),
        checks=(Check(f"some readings ended early ({len(left_out)})", bool(left_out)),),
        details=Table(
            ("", "words", "left out by readings", "deleted", "inserted", "changed", "told"),
            (
                ("Whisper as it is", whole.words, 0, whole.deleted, whole.inserted, whole.changed, 0),
                ("ended early", early.words, lost, early.deleted, early.inserted, early.changed, told),
            ),
        ),
        notes=(_HOW.format(minutes=corpus.seconds / 60),),
        reason="less than a second of speech without words is not read again",
    )


def _settings() -> dict[str, Any]:
    return {**settings(base()), "extra_engines": "early=tests.engines.early:load_as_ordered"}


def _run(service: Service, corpus: Corpus, engine: str) -> tuple[WordErrors, dict[str, Any]]:
    job_id = service.submit(Path(corpus.audio), language=corpus.language, engine=engine)
    job = completed(service, job_id, _LOOK_S)
    return compare(corpus.language, corpus.text, service.transcript(job_id, "txt")), job


def _warnings(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [warning for warning in job["warnings"] if warning["code"] == "speech_without_words"]


def _words_within(corpus: Corpus, start: float, end: float | None) -> int:
    """Return how many words of the corpus are said between two times, those of a part spread evenly over it."""
    until = corpus.seconds if end is None else end
    shares = (
        (max(0.0, min(part.end, until) - max(part.start, start)) / (part.end - part.start), part)
        for part in corpus.parts
    )
    return round(sum(share * len(part.text.split()) for share, part in shares))
