"""An answer that only repeats the prompt is told from one that says something."""

from __future__ import annotations

import pytest

from dictograph.engine.whisper.echo import echoes


@pytest.mark.parametrize("text", ["Welcome to the weekly call.", "  WELCOME, to the – weekly!", "call call call"])
def test_the_prompt_and_a_part_of_it_are_an_echo(text: str) -> None:
    assert echoes(text, "Welcome to the weekly call. With Anna.", None)


@pytest.mark.parametrize("text", ["", "...", "Welcome to the monthly call.", "Hello Anna."])
def test_other_words_are_none(text: str) -> None:
    assert not echoes(text, "Welcome to the weekly call. With Anna.", None)


def test_hotwords_echo_too() -> None:
    assert echoes("Anna, Berta", None, "Anna Berta")


def test_text_without_a_prompt_is_no_echo() -> None:
    assert not echoes("Anything.", None, None)
