"""Transcripts in the shapes of Whisper's and OpenAI's clients, and languages by whatever name they give."""

from __future__ import annotations

import json

import pytest

from dictograph.formats.whisper_shapes import openai_json, openai_text, openai_verbose_json, whisper_json
from dictograph.languages import LANGUAGES, language_code, language_name
from dictograph.transcript import Segment, TranscriptHead, Word

HEAD = TranscriptHead(language="de", duration=12.5)
BARE = Segment(1.0, 2.0, ' "ja" \ud800 ')
FULL = Segment(2.0, 3.5, "nein", (Word(2.0, 3.5, " nein", 0.9),), -0.2, 0.8, 0.1, 0.4, (7, 8))
EMPTY = Segment(3.5, 4.0, "  ")


def test_the_text_is_joined_by_single_spaces() -> None:
    assert json.loads("".join(openai_json(HEAD, [BARE, EMPTY, FULL])))["text"] == '"ja" \ufffd nein'
    assert "".join(openai_text(HEAD, [EMPTY, FULL, FULL])) == "nein nein\n"
    assert json.loads("".join(openai_json(HEAD, []))) == {"text": "", "usage": {"type": "duration", "seconds": 12.5}}


def test_no_figure_is_null_and_texts_can_be_put_together() -> None:
    shape = json.loads("".join(openai_verbose_json(HEAD, [BARE, FULL, EMPTY], words=True)))
    assert (shape["language"], shape["duration"], shape["task"]) == ("german", 12.5, "transcribe")
    assert [list(segment.values()).count(None) for segment in shape["segments"]] == [0, 0, 0]
    assert "".join(segment["text"] for segment in shape["segments"]).strip() == shape["text"]
    assert shape["segments"][0]["compression_ratio"] > 0
    assert [shape["segments"][1][name] for name in ("avg_logprob", "no_speech_prob", "temperature")] == [-0.2, 0.1, 0.4]
    assert shape["words"] == [{"word": "nein", "start": 2.0, "end": 3.5}]


def test_words_are_there_when_asked_for_and_only_then() -> None:
    assert json.loads("".join(openai_verbose_json(HEAD, [], words=True)))["words"] == []
    assert "words" not in json.loads("".join(openai_verbose_json(HEAD, [FULL], words=False)))


def test_a_translation_is_english_and_has_no_usage() -> None:
    head = TranscriptHead(language="de", duration=1.0, task="translate")
    shape = json.loads("".join(openai_verbose_json(head, [FULL], words=False)))
    assert (shape["task"], shape["language"]) == ("translate", "english")
    assert json.loads("".join(openai_json(head, [FULL]))) == {"text": "nein"}
    assert "usage" not in shape


def test_whispers_own_json_has_the_code_and_words_within_segments() -> None:
    shape = json.loads("".join(whisper_json(HEAD, [BARE, FULL])))
    assert set(shape) == {"language", "segments", "text"}
    assert shape["language"] == "de"
    assert "words" not in shape["segments"][0]
    assert shape["segments"][1]["words"] == [{"word": " nein", "start": 2.0, "end": 3.5, "probability": 0.9}]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("de", "de"), ("DE", "de"), (" German ", "de"), ("de-AT", "de"), ("zh_CN", "zh"), ("zh-hans", "zh"),
        ("haitian creole", "ht"), ("yue", "yue"), ("jw", "jw"), ("xx", None), ("klingon", None), ("", None),
        ("-de", None),
    ],
)  # fmt: skip
def test_languages_by_code_name_or_tag(given: str, code: str | None) -> None:
    assert language_code(given) == code


def test_every_language_has_a_name_that_leads_back_to_it() -> None:
    assert {language_code(language_name(code)) for code in LANGUAGES} == set(LANGUAGES)
    assert language_name(None) == ""
