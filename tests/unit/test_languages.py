"""Languages by the names that clients send."""

from __future__ import annotations

import pytest

from dictograph.errors import InvalidOption
from dictograph.job import Options
from dictograph.languages import _CODES, LANGUAGES, languages_in
from dictograph.service.request import check_options


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("nb", "no"), ("no", "no"), ("iw", "he"), ("jw", "jw"), ("jv", "jw"), ("cmn", "zh"), ("zh-CN", "zh"),
        ("zh_Hant_TW", "zh"), ("fil", "tl"), ("gsw", "de"), ("in", "id"), ("English", "en"), ("haitian creole", "ht"),
        ("Castilian", "es"), ("de-AT", "de"), ("pt_BR", "pt"), ("EN", "en"), ("deu", "de"), ("nb-NO", "no"),
        ("sr-Latn-RS", "sr"), ("yue", "yue"), (" fr ", "fr"), ("xx", "xx"),
    ],
)  # fmt: skip
def test_a_language_by_any_of_its_names(given: str, code: str) -> None:
    assert Options(language=given).language == code


@pytest.mark.parametrize("given", ["auto", "und", "", "AUTO", "mul", None, [], ["auto"], ["de", "und"]])
def test_what_asks_to_find_it(given: object) -> None:
    assert check_options({"language": given}, strict=True).language is None


@pytest.mark.parametrize("given", ["fr,en", "French, English", ["fr", "en"], ["en-GB", "fra", "fr"]])
def test_several_have_one_form(given: object) -> None:
    assert check_options({"language": given}, strict=True).asked() == {"language": ["en", "fr"]}


@pytest.mark.parametrize("given", ["klingon", "e", "de;en", 5, [5], {"de": 1}, [["de"]], ["de"] * 2 + ["nowhere"]])
def test_what_is_no_language_is_refused_by_name(given: object) -> None:
    with pytest.raises(InvalidOption, match="language"):
        check_options({"language": given}, strict=True)


def test_every_other_name_means_a_language_that_there_is() -> None:
    assert set(_CODES.values()) <= set(LANGUAGES)
    assert languages_in("nowhere") == "nowhere"
