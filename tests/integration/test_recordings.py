"""The recordings and their texts, the corpora made of them, and the inputs of the field."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.corpora import telephone, write
from tests.field import containers, silent, speech, tracks
from tests.needs import need
from tests.recordings import librivox, music, prompts, recordings, single_words

#: The SHA-256 of the words and times of twelve parts of a corpus with seed 1: each machine has the same.
OF_SEED_1 = "0d69b758c2d783416610ed4c121ed61a0f2804b4ad88584d8412432f4187828d"

RECIPES = [
    *(speech.call, speech.intro, speech.jfk_mp3, speech.jfk_mulaw, speech.short_answers, speech.nine_times),
    *(speech.languages, speech.cut_start, speech.quiet),
    *(tracks.two_parties, tracks.obs, tracks.dub, tracks.phase),
    *containers.WITH_JFK.values(),
    *(containers.chained_ogg, silent.hold, silent.signals),
]


def test_each_language_has_sentences_and_english_has_readings_and_music() -> None:
    assert {language: len(prompts(language)) for language in ("en", "es", "fr", "it", "ru")} == {
        "en": 214, "es": 186, "fr": 218, "it": 237, "ru": 211,
    }  # fmt: skip
    assert sum(len(single_words(language)) for language in ("en", "fr", "ru")) == 373
    assert len(librivox()) == 5
    assert librivox()[1].text == "he was not an ill disposed young man"
    assert len(music()) == 5


def test_a_seed_gives_the_same_corpus_every_time(tmp_path: Path) -> None:
    need("ffmpeg")
    (corpus,) = write(tmp_path, 1, recordings(), ["fr"], most=12)
    assert hashlib.sha256(corpus.audio.with_suffix(".json").read_bytes()).hexdigest() == OF_SEED_1
    narrow = telephone(corpus.audio)
    assert narrow.stat().st_size == pytest.approx(corpus.audio.stat().st_size / 4, rel=0.01)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.__name__)
def test_the_inputs_of_the_field_can_be_made(recipe: Callable[[Path], Path], tmp_path: Path) -> None:
    assert recipe(tmp_path).stat().st_size > 10_000
