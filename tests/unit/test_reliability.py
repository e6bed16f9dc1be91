"""docs/reliability.md names tests and files that are there, and has a place for the figures of a soak."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.service import ROOT
from tests.soak.faults import FAULTS
from tests.soak.report import BEGIN, END, PAGE, with_figures

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
    for fault in FAULTS.values():
        for line in TEXT.splitlines():
            if line.startswith(f"| {fault} |"):
                assert re.findall(r"\*\*(\d+)\*\*", line) == ["0", "0"], line
