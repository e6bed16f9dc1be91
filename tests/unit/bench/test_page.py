"""docs/performance.md is what was measured, and says plainly what was missed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bench import page
from bench.figure import AT_LEAST, AT_MOST, Check, Figure, Goal, Line, Measured, Plot, Table, number
from bench.figures import figures
from bench.record import Record, load, load_all

FIGURE = cast("Figure", SimpleNamespace(NAME="speed", TITLE="Speed", GOAL=Goal(AT_LEAST, 3.5)))
RECORD = Record(
    name="speed",
    title="Speed",
    goal=Goal(AT_LEAST, 3.5),
    measured=Measured(
        value=4.213,
        checks=(Check("both heard the same", True),),
        details=Table(("who", "× real time"), (("ours", 31.5), ("theirs", 1234567.0))),
        plot=Plot("bars", "", "speed", (Line("speed", ("ours", "theirs"), (31.5, 7.5)),)),
        notes=("Ten minutes of speech.",),
        reason="too slow a disk",
    ),
    machine={"CPU": "Some CPU", "cores": "2"},
    versions={"Python": "3.11.2"},
    commit="abc1234",
    date="2026-01-02 03:04 UTC",
    load=0.4,
    seconds=61.5,
)


def test_a_goal_that_is_met() -> None:
    text = page.render([FIGURE], {"speed": RECORD})
    assert "| [Speed](#speed) | ≥ 3.5 | 4.21 | met |" in text
    assert "| theirs | 1,234,567 |" in text
    assert "![Speed](figures/speed.svg)" in text
    assert "2026-01-02 03:04 UTC, commit abc1234, 61.5 s, load average before 0.40. CPU Some CPU, cores 2." in text
    assert "too slow a disk" not in text


def test_a_goal_that_is_missed_is_called_so_with_the_reason() -> None:
    record = replace(RECORD, measured=replace(RECORD.measured, value=3.4999))
    assert "| 3.5 | **MISSED**: too slow a disk |" in page.render([FIGURE], {"speed": record})


def test_a_goal_is_missed_when_a_condition_beside_the_number_does_not_hold() -> None:
    record = replace(RECORD, measured=replace(RECORD.measured, checks=(Check("nobody waits", False),), reason=""))
    text = page.render([FIGURE], {"speed": record})
    assert "**MISSED**: not so: nobody waits |" in text
    assert "- nobody waits: **no**" in text


def test_a_figure_without_a_measurement_is_not_left_out() -> None:
    assert "| Speed | ≥ 3.5 | | not measured |" in page.render([FIGURE], {"speed": None})


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    RECORD.save(tmp_path)
    assert load("speed", tmp_path) == RECORD
    assert load("other", tmp_path) is None


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (Goal(AT_LEAST, 0.8), 0.8, True),
        (Goal(AT_LEAST, 0.8), 0.79, False),
        (Goal(AT_MOST, 32, "MiB"), 32, True),
        (Goal(AT_MOST, 32, "MiB"), 32.1, False),
    ],
)
def test_a_goal_holds_up_to_its_limit(goal: Goal, value: float, met: bool) -> None:
    assert goal.met_by(value) is met


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.12345, "0.123"), (3.5, "3.5"), (99.96, "100"), (123456.7, "123,457"), (1e-5, "1e-05")],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_every_figure_is_whole_and_has_its_own_name() -> None:
    known = figures()
    assert all(figure.TITLE and callable(figure.measure) and figure.GOAL.value >= 0 for figure in known)
    assert all(figure.__name__.endswith(f".{figure.NAME}") for figure in known)  # type: ignore[attr-defined]


def test_the_page_is_in_step_with_the_measurements() -> None:
    known = figures()
    records = load_all(known)
    if not any(records.values()) and not page.PATH.exists():
        pytest.skip("nothing was measured yet")
    assert page.PATH.read_text() == page.render(known, records), "run `python -m bench --page`"
    for record in filter(None, records.values()):
        assert record.measured.plot is None or (page.PATH.parent / "figures" / f"{record.name}.svg").is_file()
