"""The window plan by example: when a window ends, where it is cut, and how soon it is known."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from dictograph.audio.plan import CUT_RANGE, MAX_PAUSE, MAX_WINDOW, Planner, Span, quietest_point
from dictograph.audio.vad import BLOCK_SAMPLES
from dictograph.job import Options

SPEECH, SILENCE = 0.99, 0.01
PAD = 3200
SECOND = 16_000


def blocks(*parts: tuple[float, float]) -> list[float]:
    """Probabilities for (probability, seconds) one after the other."""
    return [probability for probability, seconds in parts for _ in range(round(seconds * SECOND / BLOCK_SAMPLES))]


def middle(start: int, end: int) -> int:
    return (start + end) // 2


def plan(probabilities: list[float], options: Options | None = None, missing: int = 0) -> list[Span]:
    planner = Planner(options or Options(), middle)
    return planner.feed(probabilities) + planner.finish(len(probabilities) * BLOCK_SAMPLES - missing)


def test_silence_has_no_window() -> None:
    assert plan(blocks((SILENCE, 60))) == []


def test_no_audio_has_no_window() -> None:
    assert plan([]) == []
    assert plan([], Options(vad_filter=False)) == []


def test_a_word_in_silence_is_one_window_with_its_padding() -> None:
    [window] = plan(blocks((SILENCE, 9.6), (SPEECH, 0.32), (SILENCE, 9.6)))
    assert window == Span(153_600 - PAD, 153_600 + 5_120 + PAD)


def test_padding_stays_inside_the_audio() -> None:
    assert plan(blocks((SPEECH, 3.2)), missing=100) == [Span(0, 51_200 - 100)]


def test_speech_with_short_pauses_shares_a_window() -> None:
    windows = plan(blocks((SPEECH, 5), (SILENCE, 1), (SPEECH, 5), (SILENCE, 1), (SPEECH, 5), (SILENCE, 9)))
    assert len(windows) == 1


def test_a_long_pause_begins_a_new_window() -> None:
    pause = MAX_PAUSE / SECOND + 0.1
    windows = plan(blocks((SPEECH, 5), (SILENCE, pause), (SPEECH, 5)))
    assert len(windows) == 2
    assert windows[1].start - windows[0].end > MAX_PAUSE - 2 * PAD - BLOCK_SAMPLES


def test_speech_that_does_not_fit_begins_a_new_window() -> None:
    first, second = plan(blocks((SPEECH, 16), (SILENCE, 1), (SPEECH, 16)))
    assert first == Span(0, 16 * SECOND + PAD)
    assert second.start == 17 * SECOND - PAD - 17 * SECOND % BLOCK_SAMPLES


def test_neighbours_share_a_pause_shorter_than_their_padding() -> None:
    options = Options(vad_min_silence_duration_ms=100, vad_speech_pad_ms=1000)
    first, second = plan(blocks((SPEECH, 16), (SILENCE, 0.64), (SPEECH, 16)), options)
    assert first.end == second.start == 16 * SECOND + 5120


def test_speech_without_a_pause_is_cut_at_the_quietest_point_of_the_last_five_seconds() -> None:
    asked: list[tuple[int, int]] = []

    def quietest(start: int, end: int) -> int:
        asked.append((start, end))
        return start + SECOND

    planner = Planner(Options(), quietest)
    probabilities = blocks((SPEECH, 64))
    windows = planner.feed(probabilities) + planner.finish(len(probabilities) * BLOCK_SAMPLES)
    assert windows == [Span(0, 26 * SECOND), Span(26 * SECOND, 52 * SECOND), Span(52 * SECOND, 64 * SECOND)]
    assert asked == [(25 * SECOND, 30 * SECOND), (51 * SECOND, 56 * SECOND)]


@pytest.mark.parametrize("answer", [-1, 0, 10**9])
def test_a_cut_outside_the_range_is_brought_inside(answer: int) -> None:
    planner = Planner(Options(), lambda start, end: answer)
    probabilities = blocks((SPEECH, 200))
    windows = planner.feed(probabilities) + planner.finish(len(probabilities) * BLOCK_SAMPLES)
    for before, after in pairwise(windows):
        assert MAX_WINDOW - CUT_RANGE <= before.samples <= MAX_WINDOW
        assert before.end == after.start


def test_padding_gives_way_to_the_limit() -> None:
    """Speech of 29.9 s is one window, not one with a second that holds a fifth of a second of silence."""
    [window] = plan(blocks((SPEECH, 29.984), (SILENCE, 5)))
    assert window == Span(0, MAX_WINDOW)


@pytest.mark.parametrize("length", range(936, 942))
def test_speech_of_about_a_window_is_covered(length: int) -> None:
    windows = plan([SPEECH] * length + [SILENCE] * 100)
    assert len(windows) == (1 if length * BLOCK_SAMPLES <= MAX_WINDOW else 2)
    assert windows[0].start == 0
    assert windows[-1].end >= length * BLOCK_SAMPLES
    assert windows[0].end == windows[-1].start or len(windows) == 1


def test_a_full_window_ends_at_the_limit_when_speech_follows_soon() -> None:
    first, second = plan(blocks((SPEECH, 29.952), (SILENCE, 0.64), (SPEECH, 5)))
    assert first == Span(0, MAX_WINDOW)
    assert second.start == 479_232 + 10_240 - PAD


@pytest.mark.parametrize("pause", [0.96, 1.28, 1.92, 2.24])
def test_wide_padding_makes_no_window_too_long_or_overlap_the_next(pause: float) -> None:
    first, second = plan(blocks((SPEECH, 29.44), (SILENCE, pause), (SPEECH, 5)), Options(vad_speech_pad_ms=1000))
    assert first.end <= second.start
    assert first.samples <= MAX_WINDOW


def test_a_pause_that_is_all_padding_is_not_long() -> None:
    options = Options(vad_speech_pad_ms=2000)
    assert len(plan(blocks((SPEECH, 5), (SILENCE, 3.8), (SPEECH, 5)), options)) == 1
    assert len(plan(blocks((SPEECH, 5), (SILENCE, 4.2), (SPEECH, 5)), options)) == 2


def test_a_doubtful_word_before_speech_comes_into_its_window() -> None:
    """Though the window before might have ended while the word was in doubt."""
    doubtful = blocks((SPEECH, 5), (SILENCE, 1.6), (0.6, 0.16), (SILENCE, 0.8), (SPEECH, 5))
    [window] = plan(doubtful)
    assert window == Span(0, len(doubtful) * BLOCK_SAMPLES)


@pytest.mark.parametrize("missing", [0, 1, 511])
def test_audio_of_just_a_window_is_one_window(missing: int) -> None:
    total = MAX_WINDOW - missing
    planner = Planner(Options(vad_filter=False), middle)
    assert planner.feed_unheard(-(-total // BLOCK_SAMPLES)) + planner.finish(total) == [Span(0, total)]


def test_without_detection_all_audio_is_in_windows() -> None:
    windows = plan(blocks((SILENCE, 100)), Options(vad_filter=False), missing=77)
    assert windows[0].start == 0
    assert windows[-1].end == 3125 * BLOCK_SAMPLES - 77
    assert all(before.end == after.start for before, after in pairwise(windows))


def test_a_window_is_known_as_soon_as_the_pause_is_too_long() -> None:
    planner = Planner(Options(), middle)
    planner.feed(blocks((SPEECH, 2)))
    known = [index for index in range(300) if planner.feed([SILENCE])]
    assert len(known) == 1
    assert MAX_PAUSE <= (known[0] + 1) * BLOCK_SAMPLES <= MAX_PAUSE + 3 * BLOCK_SAMPLES


def test_a_full_window_is_known_before_its_speech_ends() -> None:
    planner = Planner(Options(), middle)
    known = [index for index in range(1000) if planner.feed([SPEECH])]
    assert known[0] * BLOCK_SAMPLES <= MAX_WINDOW + 2 * BLOCK_SAMPLES


def test_a_window_without_room_is_known_before_the_pause_is_long() -> None:
    planner = Planner(Options(), middle)
    planner.feed(blocks((SPEECH, 29.5)))
    known = [index for index in range(300) if planner.feed([SILENCE])]
    assert (known[0] + 1) * BLOCK_SAMPLES < SECOND


def test_finishing_with_blocks_missing_is_an_error() -> None:
    planner = Planner(Options(), middle)
    planner.feed([SILENCE] * 10)
    with pytest.raises(ValueError, match="10 blocks were fed"):
        planner.finish(11 * BLOCK_SAMPLES)


def test_probabilities_may_come_as_an_array() -> None:
    probabilities = blocks((SPEECH, 5), (SILENCE, 9))
    assert Planner(Options(), middle).feed(np.array(probabilities, np.float32)) == plan(probabilities)


def test_memory_does_not_grow_with_the_audio() -> None:
    planner = Planner(Options(), middle)
    minute = blocks((SPEECH, 40), (SILENCE, 1), (SPEECH, 5), (SILENCE, 14))
    planner.feed(minute)
    tracemalloc.start()
    try:
        for _ in range(120):
            planner.feed(minute)
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


def test_the_quietest_point_is_in_the_pause() -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, 5 * SECOND).astype(np.int16)
    samples[32_000:33_600] //= 20
    assert 32_240 <= quietest_point(samples) <= 33_360


def test_the_quietest_point_of_digital_silence_is_its_middle() -> None:
    samples = np.full(5 * SECOND, 1000, np.int16)
    samples[8_000:8_960] = 0
    samples[16_000:24_000] = 0
    assert abs(quietest_point(samples) - 20_000) <= 160
    assert abs(quietest_point(np.zeros(80_000, np.int16)) - 40_000) <= 160


def test_the_quietest_point_bears_the_loudest_samples() -> None:
    samples = np.full(80_000, -32768, np.int16)
    samples[40_000:40_800] = 32766
    assert 40_000 <= quietest_point(samples) <= 40_800


@pytest.mark.parametrize("length", [0, 1, 479, 480, 481])
def test_the_quietest_point_of_very_little_is_inside_it(length: int) -> None:
    assert 0 <= quietest_point(np.ones(length, np.int16)) <= length
