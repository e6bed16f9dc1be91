"""Names that are safe to show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.service.naming import display_name, name_of_url


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("talk.mp3", "talk.mp3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\talk.mp3", "talk.mp3"),
        ("folder/", "folder"),
        ("a\x00b\x1b[31m.mp3", "ab[31m.mp3"),
        ("evil\u202e3pm.exe", "evil3pm.exe"),
        ("  two   words.wav ", "two words.wav"),
        ("", "audio"),
        ("..", "audio"),
        ("\u200b", "audio"),
        ("half\ud800.wav", "half.wav"),
        ("Gespräch – 日本.wav", "Gespräch – 日本.wav"),
        ("x" * 300 + ".mp3", "x" * 251 + ".mp3"),
        ("x" * 300, "x" * 255),
    ],
)
def test_examples(given_name: str, shown: str) -> None:
    assert display_name(given_name) == shown


@given(st.text())
def test_any_name_becomes_one_that_can_be_shown_and_stored(name: str) -> None:
    shown = display_name(name)
    assert 0 < len(shown) <= 255
    assert "/" not in shown
    assert "\\" not in shown
    assert not any(unicodedata.category(sign).startswith("C") for sign in shown)
    assert display_name(shown) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a/talk.mp3?sig=1#x", "talk.mp3"),
        ("https://example.org/t%C3%A4lk%2F..%2Fb.mp3", "b.mp3"),
        ("https://example.org", "audio"),
        ("https://example.org/%FF.wav", "\ufffd.wav"),
    ],
)
def test_urls(url: str, shown: str) -> None:
    assert name_of_url(url) == shown
