"""From an alignment to words whose times fit what can be heard."""

from __future__ import annotations

import numpy as np
import pytest

from dictograph.engine.loudness import Loudness, is_empty
from dictograph.engine.protocol import Samples
from dictograph.engine.segments import TimedWord
from dictograph.engine.whisper.words import Piece, aligned_words, refine_times, with_punctuation


def _sound(*spans: tuple[float, float], seconds: float = 4.0, background: float = 3.0) -> Samples:
    """Loud noise in the spans, hardly any elsewhere."""
    rng = np.random.default_rng(4)
    wave = rng.normal(0, background, int(seconds * 16_000))
    for start, end in spans:
        wave[int(start * 16_000) : int(end * 16_000)] += rng.normal(0, 4000, int(end * 16_000) - int(start * 16_000))
    return np.clip(wave, -32768, 32767).astype(np.int16)


def _tidied(words: list[tuple[str, float, float]], samples: Samples) -> list[tuple[float, float]]:
    timed = [TimedWord(start, end, text, 1.0) for text, start, end in words]
    return [(word.start, word.end) for word in refine_times(timed, Loudness(samples), len(samples) / 16_000)]


def _texts(*texts: str) -> list[str]:
    return [piece.text for piece in with_punctuation([Piece(text, (n,)) for n, text in enumerate(texts)])]


def test_punctuation_joins_its_word() -> None:
    assert _texts(" Hello", ",", " world", "!", "?") == [" Hello,", " world!?"]
    assert _texts(" “", "Hi", "”", " he") == [" “Hi”", " he"]
    assert _texts("你", "好", "。") == ["你", "好。"]
    assert _texts(" (", " (") == [" ( ("]
    assert _texts(".") == ["."]
    assert _texts() == []


def test_punctuation_keeps_every_token() -> None:
    pieces = with_punctuation([Piece(" “", (1, 2)), Piece("Hi", (3,)), Piece(".", (4,))])
    assert [piece.tokens for piece in pieces] == [(1, 2, 3, 4)]


def test_words_begin_and_end_where_the_path_does() -> None:
    path = [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4), (3, 9), (3, 10)]
    words = aligned_words([Piece(" a b", (7, 8)), Piece(" c", (9,))], path, [0.5, 1.0, 0.25])
    assert [(w.start, w.end, w.probability) for w in words] == [(0.0, 0.08, 0.75), (0.08, 0.18, 0.25)]


def test_pauses_belong_to_no_word() -> None:
    times = _tidied([(" one", 0.0, 1.6), (" two", 1.6, 4.0)], _sound((0.5, 0.9), (2.0, 2.4)))
    assert [time for span in times for time in span] == pytest.approx([0.48, 0.92, 1.98, 2.42])


def test_a_word_cut_off_by_the_alignment_gets_its_sound_back() -> None:
    first, second = _tidied([(" one", 0.0, 2.1), (" two", 2.1, 4.0)], _sound((0.5, 0.9), (2.0, 2.4)))
    assert (*first, *second) == pytest.approx((0.48, 0.92, 2.0, 2.42))


def test_without_pauses_to_hear_a_word_still_has_a_speakable_length() -> None:
    loud_all_through = _sound(background=2000)
    (start, end), _ = _tidied([(" one", 0.0, 3.0), (" two", 3.0, 4.0)], loud_all_through)
    assert end == 3.0
    assert end - start == pytest.approx(0.96)


def test_times_stay_in_order_and_inside() -> None:
    times = _tidied([(" a", 0.5, 0.5), (" b", 0.5, 0.4), (" c", 3.9, 9.0)], _sound((0, 4)))
    flat = [moment for span in times for moment in span]
    assert flat == sorted(flat)
    assert flat[-1] <= 4.0


def test_the_quietest_point_is_found() -> None:
    assert Loudness(_sound((0, 1.9), (2.1, 4))).quietest(1.0, 3.0) == pytest.approx(2.0, abs=0.08)


def test_only_no_sound_at_all_is_empty() -> None:
    assert is_empty(np.zeros(5, np.int16))
    assert is_empty(np.array([], np.int16))
    assert is_empty(np.array([-1, 0, 0], np.int16))
    assert not is_empty(np.array([-1, 1], np.int16))
    assert not is_empty(np.array([-32768, 32767], np.int16))
