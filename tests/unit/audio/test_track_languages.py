from __future__ import annotations

import pytest

from dictograph.audio.tracks.languages import is_language


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("eng", "en"), ("en-US", "en"), ("ger", "de"), ("deu", "de"), ("fre", "fra"), ("nob", "no"), ("zho", "zh"),
     ("iw", "he"), ("xyz", "xyz"), ("PT_br", "pt")],
)  # fmt: skip
def test_a_language_is_known_by_any_of_its_codes(given: str, wanted: str) -> None:
    assert is_language(given, wanted)


@pytest.mark.parametrize(("given", "wanted"), [("eng", "de"), ("", "en"), ("", "")])
def test_another_language_or_none_is_not_the_one(given: str, wanted: str) -> None:
    assert not is_language(given, wanted)
