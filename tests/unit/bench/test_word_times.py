"""What the figures of words count: words beside the sound of their part, and words in a stretch that was told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.corpora import RATE, Corpus, Part
from bench.figures import early_endings, word_times
from tests.audio_files import write_wav


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two parts of 2 s with 1 s of sound in their middle, and a pause of 1 s between them."""
    part = np.zeros(2 * RATE, np.int16)
    part[RATE // 2 : 3 * RATE // 2] = np.random.default_rng(1).integers(-9_000, 9_000, RATE)
    audio = write_wav(tmp_path / "two.wav", np.concatenate([part, np.zeros(RATE, np.int16), part]))
    return Corpus("two", audio, (Part(0, 2, "one two", "a"), Part(3, 5, "three four", "b")))


def test_times_are_measured_from_the_sound_of_each_part(corpus: Corpus) -> None:
    errors = word_times._errors(corpus, [(0.6, 1.0), (1.0, 1.25), (3.5, 4.5)])
    assert errors.starts == pytest.approx((0.1, 0.0), abs=0.011)
    assert errors.ends == pytest.approx((0.25, 0.0), abs=0.011)
    assert errors.empty == 0


def test_a_part_without_words_is_counted_and_takes_none_of_others(corpus: Corpus) -> None:
    errors = word_times._errors(corpus, [(3.4, 4.5)])
    assert (len(errors.starts), errors.empty) == (1, 1)


@pytest.mark.parametrize(("start", "end", "words"), [(0, 2, 2), (0, 1, 1), (2, 3, 0), (1, None, 3), (0, None, 4)])
def test_words_of_a_stretch_are_those_that_are_said_in_it(
    corpus: Corpus, start: float, end: float | None, words: int
) -> None:
    assert early_endings._words_within(corpus, start, end) == words
