"""Speech is held against words: what no word covers is named."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dictograph.engine.coverage import seconds, uncovered


def test_speech_with_words_is_covered() -> None:
    assert uncovered([(0.2, 3.0)], [(0.3, 1.0), (1.1, 2.0), (2.2, 2.9)]) == []


def test_a_sentence_left_out_is_named_with_its_times() -> None:
    assert uncovered([(0.0, 10.0)], [(0.1, 3.0), (7.0, 9.9)]) == [(3.3, 6.7)]


def test_the_end_and_the_beginning_are_named_too() -> None:
    assert uncovered([(0.0, 4.0), (5.0, 9.0)], [(5.2, 5.6)]) == [(0.0, 4.0), (5.6 + 0.3, 9.0)]


def test_speech_without_any_word_is_named_whole() -> None:
    assert uncovered([(1.0, 4.0), (6.0, 6.5)], []) == [(1.0, 4.0)], (
        "half a second is no more than word times may be off"
    )


def test_pauses_do_not_count() -> None:
    assert uncovered([(0.0, 1.0), (5.0, 6.0)], [(0.1, 0.9), (5.1, 5.9)]) == []


_TIMES = st.lists(st.floats(0, 30), max_size=12).map(lambda times: sorted(times))
_SPANS = _TIMES.map(lambda times: list(zip(times[::2], times[1::2], strict=False)))


@given(_SPANS, _SPANS)
def test_what_is_left_is_speech_and_touches_no_word(
    spans: list[tuple[float, float]], words: list[tuple[float, float]]
) -> None:
    left = uncovered(spans, words, least=0.0)
    assert seconds(left) <= seconds(spans) + 1e-9
    for start, end in left:
        assert any(first <= start and end <= last for first, last in spans)
        assert not any(start < last and first < end for first, last in words if last > first)


@given(_SPANS, _SPANS, _SPANS)
def test_more_words_never_leave_more(
    spans: list[tuple[float, float]], words: list[tuple[float, float]], more: list[tuple[float, float]]
) -> None:
    assert seconds(uncovered(spans, sorted(words + more), 0.0)) <= seconds(uncovered(spans, words, 0.0)) + 1e-9
