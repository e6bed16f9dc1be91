"""A full stop that ends no sentence."""

from __future__ import annotations

import pytest

from dictograph.abbreviations import belongs_to_next


@pytest.mark.parametrize(
    ("word", "following"),
    [
        ("Mr.", "Smith"), ("(Dr.", "Who"), ("J.", "K."), ("U.S.", "Senate"), ("z.B.", "heute"), ("e.g.", "this"),
        ("No.", "5"), ("etc.", "and"), ("Mme.", "Bovary"), ("Sra.", "López"), ("Dott.", "Rossi"), ("ул.", "Ленина"),
        ("г.", "Москва"), ("J.-P.", "Sartre"), ("“St.", "John”"),
    ],
)  # fmt: skip
def test_an_abbreviation_belongs_to_what_follows(word: str, following: str) -> None:
    assert belongs_to_next(word, following)


@pytest.mark.parametrize(
    ("word", "following"),
    [("end.", "Then"), ("No.", "I"), ("etc.", "The"), ("so...", "What"), ("Mr", "Smith"), ("", ""), (".", "x")],
)
def test_the_end_of_a_sentence_does_not(word: str, following: str) -> None:
    assert not belongs_to_next(word, following)
