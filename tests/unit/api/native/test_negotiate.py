"""Which format is answered with."""

from __future__ import annotations

import pytest

from dictograph.api.error_responses import NotAcceptable
from dictograph.api.native.negotiate import choose_format
from dictograph.formats import FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_a_name_is_enough(name: str) -> None:
    assert choose_format(name, "image/png").name == name


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        (None, "json"),
        (" ", "json"),
        ("text/vtt;q=0.4, text/plain;q=0.5", "txt"),
        ("application/json;q=0, */*", "txt"),
        ("TEXT/VTT", "vtt"),
        ("text/vtt;q=nonsense", "vtt"),
        ("*/*;q=nan", "json"),
        ("text/vtt;q=0.1, */*;q=-inf", "json"),
        ("text/vtt;q=1e-3", "vtt"),
        ("text/html, *;q=.2, text/vtt;q=.3, */*;q=.2", "vtt"),
        ("text/vtt;q=0.33334, */*;q=0.33333", "vtt"),
        ("text/vtt;q=" + "9" * 5000, "vtt"),
        ("text/*;q=0.5, text/vtt", "vtt"),
        ("text/plain;charset=utf-8;q=0.9, */*;q=0.1", "txt"),
    ],
)
def test_accept_weighs(accept: str | None, name: str) -> None:
    assert choose_format(None, accept).name == name


@pytest.mark.parametrize("accept", ["image/png", "*/*;q=0", "text/html, application/xml", ";;;"])
def test_nothing_fits(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose_format(None, accept)
