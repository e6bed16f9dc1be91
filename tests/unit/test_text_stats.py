"""Words and minutes of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.text_stats import count_words, reading_minutes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one two  three\nfour.", 4),
        ("Don't stop; it’s fine.", 4),
        ("At 7 o'clock, the 3rd B2B fair of 2025", 5),
        ("state-of-the-art", 4),
        ("Grüße aus Köln – schön!", 4),
        ("हिन्दी में", 2),
        ("'' --- … 12", 0),
        ("zwei,drei", 2),
    ],
)
def test_alphabetic_tokens_are_counted(text: str, words: int) -> None:
    assert count_words(text) == words


@given(st.lists(st.text("abcäöü", min_size=1, max_size=9)))
def test_words_between_spaces_are_each_counted_once(words: list[str]) -> None:
    assert count_words(" ".join(words)) == len(words)


@given(st.text())
def test_any_text_has_a_number_of_words(text: str) -> None:
    assert 0 <= count_words(text) <= len(text)


@pytest.mark.parametrize(("words", "minutes"), [(0, 0.0), (142, 0.65), (220, 1.0), (1, 0.0), (2200, 10.0)])
def test_a_minute_has_220_words(words: int, minutes: float) -> None:
    assert reading_minutes(words) == minutes
