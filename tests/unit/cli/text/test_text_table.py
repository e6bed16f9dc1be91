"""Figures and columns."""

from __future__ import annotations

import pytest

from dictograph.cli.text.text_table import clipped, length, size, table


def test_columns_are_aligned_and_have_no_trailing_spaces() -> None:
    assert table(("ID", "X"), [("a", "b"), ("long", "")]) == "ID    X\na     b\nlong"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (483_546_902, "484 MB"), (2**34, "17.2 GB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (0, "0:00"), (59.6, "1:00"), (3723.4, "1:02:03"), (360_000, "100:00:00")]
)
def test_lengths(seconds: float | None, text: str) -> None:
    assert length(seconds) == text


def test_clipped_text_is_one_line_of_printable_signs() -> None:
    assert clipped("a\n\x1b[31mb\u202ec", 20) == "a [31mb c"
    assert clipped("abcdef", 4) == "abc…"
