"""docs/performance.md, from the records and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.figure import Figure, Goal, Table, number
from bench.record import Record

PATH = Path(__file__).resolve().parents[1] / "docs" / "performance.md"

_INTRODUCTION = """\
# Performance

Every figure is measured by `make bench`, which writes this page; `make bench BENCH="name …"` measures single ones
again. A comparison is made in one run, on the same weights, audio and number of threads. The figures that come first
have Whisper's real `base` and recorded people with their true words (`bench/corpora.py`). The others that decode speech
have a model of true size whose words are made up (`bench/model.py`): it says the same words whatever it is given, which
flatters decoding of a fixed length, so where both kinds measure the same, the real figure counts."""


def render(figures: Sequence[Figure], records: Mapping[str, Record | None]) -> str:
    """Return the page: a table of all figures, and a section for each measured figure."""
    parts = [_INTRODUCTION, "\n".join(_overview(figures, records))]
    for figure in figures:
        record = records.get(figure.NAME)
        if record is not None:
            parts.append("\n\n".join(_section(record)))
    return "\n\n".join(parts) + "\n"


def summary(record: Record) -> str:
    """Return one line for the terminal."""
    return f"{record.title}: {_value(record.goal, record.measured.value)} (goal {record.goal}): {_verdict(record)}"


def _overview(figures: Sequence[Figure], records: Mapping[str, Record | None]) -> Iterator[str]:
    yield "| figure | goal | measured | |"
    yield "| --- | --- | --- | --- |"
    for figure in figures:
        record = records.get(figure.NAME)
        title = f"[{figure.TITLE}](#{_anchor(figure.TITLE)})"
        if record is None:
            yield f"| {figure.TITLE} | {figure.GOAL} | | not measured |"
        else:
            yield f"| {title} | {record.goal} | {_value(record.goal, record.measured.value)} | {_verdict(record)} |"


def _verdict(record: Record) -> str:
    if record.met:
        return "met"
    failed = [check.text for check in record.measured.checks if not check.ok]
    reasons = [f"not so: {text}" for text in failed] + ([record.measured.reason] if record.measured.reason else [])
    return f"**MISSED**: {'; '.join(reasons) or 'the reason is not known'}"


def _section(record: Record) -> Iterator[str]:
    measured = record.measured
    yield f"## {record.title}"
    yield f"Goal {record.goal}; measured **{_value(record.goal, measured.value)}**: {_verdict(record)}."
    if measured.checks:
        yield "\n".join(f"- {check.text}: {'yes' if check.ok else '**no**'}" for check in measured.checks)
    if measured.details is not None:
        yield "\n".join(_table(measured.details))
    if measured.plot is not None:
        yield f"![{record.title}](figures/{record.name}.svg)"
    if measured.notes:
        yield "\n\n".join(measured.notes)
    yield _circumstances(record)


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.columns)} |"
    yield f"| {' | '.join('---' for _ in table.columns)} |"
    for row in table.rows:
        yield f"| {' | '.join(cell if isinstance(cell, str) else number(cell) for cell in row)} |"


def _circumstances(record: Record) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in record.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in record.versions.items())
    return (
        f"<sub>{record.date}, commit {record.commit}, {number(record.seconds)} s, load average before "
        f"{record.load:.2f}. {machine}. {versions}.</sub>"
    )


def _value(goal: Goal, value: float) -> str:
    return f"{number(value)}{' ' if goal.unit else ''}{goal.unit}"


def _anchor(title: str) -> str:
    """Return the anchor of a heading's link: https://docs.github.com, "Section links"."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
