"""docs/reliability.md names tests and files that are there, and has a place for the figures of a soak."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.service import ROOT
from tests.soak import report
from tests.soak.faults import FAULTS, STT_FAULTS
from tests.soak.plan import Plan
from tests.soak.report import BEGIN, END, PAGE, with_figures
from tests.soak.summary import RunSummary

TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in TEXT.splitlines() if line.startswith("| **")]
GUARANTEES = [row for row in ROWS if len(row) == 3 and "::" in row[2]]


@cache
def functions_of(file: str) -> set[str]:
    """The names of the test functions of a file beneath tests/."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


@pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda row: row[0].strip(" *")[:30])
def test_what_shows_a_guarantee_is_there(guarantee: list[str]) -> None:
    named = re.findall(r"`([a-z0-9_/]+\.py)::(\w+)`", guarantee[2])
    assert named
    assert guarantee[2].count("::") == len(named), "a test is not named in the form that is looked for"
    assert len(set(named)) == len(named), "a test is named twice"
    assert [f"{file}::{test}" for file, test in named if test not in functions_of(file)] == []
    assert "](" in guarantee[1], "its mechanism has no file"


def test_every_guarantee_was_read() -> None:
    assert len(GUARANTEES) == len(re.findall(r"^\| \*\*[A-Z]", TEXT, re.MULTILINE)) > 15


def test_figures_are_written_between_the_marks_and_nowhere_else() -> None:
    changed = with_figures(TEXT, "| one | two |\n")
    before, _, rest = changed.partition(BEGIN)
    figures, _, after = rest.partition(END)
    assert (before, figures, after) == (TEXT.partition(BEGIN)[0], "\n\n| one | two |\n\n", TEXT.partition(END)[2])
    assert with_figures(changed, "| one | two |\n") == changed


def test_a_fault_that_is_written_down_is_nought() -> None:
    for fault in (FAULTS | STT_FAULTS).values():
        [line] = [line for line in TEXT.splitlines() if line.startswith(f"| {fault} |")]
        assert set(line.removeprefix(f"| {fault} |").split(" | ")) <= {" **0**", "**0**", "**0** |", " –", "–", "– |"}


def test_a_soak_leaves_a_table_and_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, figures = tmp_path / "page.md", tmp_path / "figures" / "soak.json"
    page.write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "FIGURES", figures)
    plan = Plan(jobs=7, kills=3, mid_attempt=1, freezes=1, seed=42)
    numbers: dict[str, Any] = {field.name: 7 for field in fields(RunSummary)}
    numbers |= {"named_kills": {"job.claimed": 2}, "servers_killed": {"Kafka": 5}, "details": {}}
    verdict = RunSummary(**{**numbers, "faults": dict.fromkeys(FAULTS | STT_FAULTS, 0)})
    report.write_figures("sqlite", verdict, plan)
    report.write_figures("postgresql", replace(verdict, topic_jobs=0, servers_killed={}), replace(plan, seed=43))
    text = page.read_text(encoding="utf-8")
    assert "|  | sqlite | postgresql |\n| --- | --- | --- |\n" in text
    for row in ("| jobs promised to clients | 7 | 7 |", "| seed | 42 | 43 |", "| SIGKILLs of servers | Kafka 5 | – |"):
        assert row in text
    assert f"| {FAULTS['lost']} | **0** | **0** |" in text
    assert f"| {STT_FAULTS['letters']} | **0** | – |" in text
    assert "2 at 1" in report.as_text("sqlite", verdict)
    stored = json.loads(figures.read_text())
    assert (stored["sqlite"]["seed"], stored["sqlite"]["result"]["jobs"]) == (42, 7)
    report.write_figures("sqlite", verdict, replace(plan, seed=44))
    assert "| seed | 44 | 43 |" in page.read_text(encoding="utf-8")
