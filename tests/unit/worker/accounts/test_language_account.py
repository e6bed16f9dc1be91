"""The account of languages: what is told, what is joined, and that it does not grow."""

from __future__ import annotations

from dictograph.transcript import JobWarning
from dictograph.worker.accounts.language_account import CERTAIN, CERTAIN_S, LanguageAccount


def account(*windows: tuple[str | None, float, float], language: str | None = "en") -> LanguageAccount:
    """The account of windows, each (language, probability, seconds), one behind the other."""
    made, now = LanguageAccount(language), 0.0
    for heard, probability, seconds in windows:
        made.add(now, now + seconds, {"language": heard, "language_probability": probability, "segments": [{}]})
        now += seconds
    return made


def told(warnings: list[JobWarning]) -> list[tuple[float | None, float | None]]:
    assert {warning.code for warning in warnings} <= {"other_language"}
    return [(warning.start, warning.end) for warning in warnings]


def test_neighbours_of_one_language_are_one_warning() -> None:
    windows = [("en", 1.0, 30), ("fr", 0.99, 30), ("fr", 0.95, 20), ("es", 0.99, 30), ("en", 1.0, 30)]
    warnings = account(*windows).warnings()
    assert told(warnings) == [(30, 80), (80, 110)]
    assert "French" in warnings[0].message
    assert "Spanish" in warnings[1].message
    assert "English" in warnings[0].message


def test_what_is_not_certain_is_not_told() -> None:
    doubtful = [("fr", CERTAIN - 0.01, 30), ("fr", 1.0, CERTAIN_S - 0.1), (None, 0.0, 30), ("en", 1.0, 30)]
    assert account(*doubtful).warnings() == []


def test_a_window_without_text_says_nothing() -> None:
    made = LanguageAccount("en")
    made.add(0, 30, {"language": "fr", "language_probability": 1.0, "segments": []})
    assert made.warnings() == []


def test_many_changes_give_a_bounded_number_of_warnings_and_none_is_lost() -> None:
    warnings = account(*[("fr", 1.0, 30), ("en", 1.0, 30)] * 500).warnings()
    assert len(warnings) == 21
    assert told(warnings)[-1] == (1200, 29_970)
    assert "14400 s" in warnings[-1].message
    assert account(*[("fr", 1.0, 30), ("en", 1.0, 30)] * 500).warnings() == warnings


def test_the_language_most_spoken_is_that_of_most_seconds() -> None:
    made = account(("en", 0.9, 10), ("fr", 1.0, 30), ("fr", 0.8, 10), ("es", 1.0, 39), language=None)
    assert made.most_spoken == ("fr", 0.95)
    assert made.warnings() == []
    assert LanguageAccount(None).most_spoken is None
