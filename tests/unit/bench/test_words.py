"""Word errors are counted as everybody counts them, whatever the spelling."""

from __future__ import annotations

import pytest

from bench.words import WordErrors, compare, count, pooled


@pytest.mark.parametrize(
    ("truth", "heard", "deleted", "inserted", "changed"),
    [
        ("a b c", "a b c", 0, 0, 0),
        ("a b c", "a c", 1, 0, 0),
        ("a b c", "a b x c", 0, 1, 0),
        ("a b c", "a x c", 0, 0, 1),
        ("a b c", "", 3, 0, 0),
        ("", "a", 0, 1, 0),
    ],
)
def test_each_kind_of_error_is_counted(truth: str, heard: str, deleted: int, inserted: int, changed: int) -> None:
    words = truth.split()
    assert count(words, heard.split()) == WordErrors(len(words), deleted, inserted, changed)


@pytest.mark.parametrize(
    ("language", "truth", "heard"),
    [
        ("en", "Mister Smith, you're twenty-one.", "mr. smith you are 21"),
        ("en", "colour", "COLOR!"),
        ("fr", "Votre appel — merci.", "votre appel merci"),
        ("ru", "Спасибо, до свидания!", "спасибо до свидания"),
    ],
)
def test_other_spellings_are_no_errors(language: str, truth: str, heard: str) -> None:
    assert compare(language, truth, heard).errors == 0


def test_pooled_texts_weigh_as_many_words_as_they_have() -> None:
    assert pooled([WordErrors(90, deleted=1), WordErrors(10, changed=9)]).rate == pytest.approx(10)
