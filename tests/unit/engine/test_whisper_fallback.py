"""Which readings are good, and which of several is kept."""

from __future__ import annotations

import random

from dictograph.engine.whisper.fallback import DecodeResult, Hypothesis, best, compression_ratio, repeats_itself
from dictograph.engine.whisper.prompt import ROOM, previous_text

LOOP = " ".join(["and so on"] * 40)


def _take(logprob: float = -0.2, text: str = "some words", no_speech: float = 0.01, full: bool = False) -> DecodeResult:
    return DecodeResult(tuple(text.encode()), text, logprob, no_speech, full)


def _reading(*takes: DecodeResult) -> Hypothesis[int]:
    return Hypothesis(tuple(enumerate(takes)))


def test_a_confident_reading_is_good() -> None:
    assert _take().good
    assert not _take(-1.3).good


def test_made_up_words_over_silence_are_silence() -> None:
    assert _take(-1.3, no_speech=0.8).silent
    assert _take(-1.3, no_speech=0.8).good
    assert not _take(-0.3, no_speech=0.8).silent


def test_a_loop_is_no_good_however_confident() -> None:
    assert not _take(-0.05, LOOP).good


def test_an_enumeration_is_no_loop() -> None:
    chance = random.Random(1)
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    text = " ".join(chance.choices(digits, k=70))
    assert compression_ratio(text) > 2.4
    assert _take(-0.05, text).good


def test_what_repeats_itself() -> None:
    assert repeats_itself([5] * 11)
    assert repeats_itself([1, 2, 3, 4, 5] * 3)
    assert repeats_itself([9, 9, *([1, 2, 3, 4] * 4), 7])
    assert not repeats_itself([5] * 6)
    assert not repeats_itself([1, 2, 3, 4, 5] * 2)
    assert not repeats_itself(list(range(50)))
    assert not repeats_itself([])


def test_only_speech_is_unfinished_and_neither_a_loop_nor_silence() -> None:
    assert _take(full=True).unfinished
    assert _take(-1.3, full=True).unfinished
    assert not _take().unfinished
    assert not _take(-0.05, LOOP, full=True).unfinished
    assert not _take(-1.3, no_speech=0.8, full=True).unfinished
    assert _reading(_take(), _take(full=True)).unfinished
    assert not _reading(_take()).unfinished


def test_the_first_good_reading_is_kept() -> None:
    bad, fair, fine = _reading(_take(-2)), _reading(_take(-0.9)), _reading(_take(-0.1))
    assert best([bad, fair, fine]) is fair


def test_among_bad_ones_the_most_probable_that_does_not_loop() -> None:
    loop, worse, better = _reading(_take(-0.1, LOOP)), _reading(_take(-3)), _reading(_take(-1.5))
    assert best([loop, worse, better]) is better
    assert best([loop]) is loop


def test_a_cut_reading_is_as_good_as_its_parts() -> None:
    both = _reading(_take(-0.1)).followed_by(_reading(_take(-2)))
    assert not both.good
    assert both.avg_logprob == (-0.1 - 2) / 2


def _encode(text: str) -> list[int]:
    return [ord(char) for char in text]


def test_prompt_and_hotwords_stand_in_order() -> None:
    assert previous_text(_encode, "b", " a ") == [32, 97, 32, 98]
    assert previous_text(_encode, None, None) == []
    assert previous_text(_encode, "  ", "") == []


def test_the_end_of_a_long_prompt_and_the_beginning_of_long_hotwords_are_kept() -> None:
    prompt, hotwords = "p" * 500 + "!", "h" * 500 + "?"
    alone = previous_text(_encode, prompt, None)
    assert (len(alone), alone[-1]) == (ROOM, ord("!"))
    assert len(previous_text(_encode, None, hotwords)) == ROOM
    both = previous_text(_encode, prompt, hotwords)
    assert len(both) == ROOM
    assert both.count(ord("h")) == ROOM // 2 - 1
    short = previous_text(_encode, "hi", hotwords)
    assert short[-3:] == [32, ord("h"), ord("i")]
    assert len(short) == ROOM
