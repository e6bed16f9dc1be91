"""The window plan for any probabilities, any options, any chunks."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dictograph.audio.plan import CUT_RANGE, MAX_PAUSE, MAX_WINDOW, Planner
from dictograph.audio.speech import Span, SpeechRules, VadSpeechDetector, milliseconds
from dictograph.audio.vad import BLOCK_SAMPLES
from dictograph.job import Options

Run = tuple[float, int]  # a probability, and for how many blocks

anything = st.tuples(
    st.one_of(st.sampled_from([0.0, 0.05, 0.4, 0.55, 0.9, 1.0]), st.floats(0, 1)),
    st.one_of(st.integers(1, 5), st.integers(1, 120), st.integers(800, 1100)),
)
#: Talk, pauses around the lengths that matter, and speech around the length of a window (937.5 blocks).
talk = st.tuples(st.just(0.97), st.one_of(st.integers(3, 60), st.integers(915, 945)))
weak_talk = st.tuples(st.just(0.6), st.integers(3, 8))
pause = st.tuples(st.just(0.02), st.one_of(st.integers(1, 34), st.integers(55, 70), st.integers(110, 130)))


def flat(runs: list[Run]) -> list[float]:
    return [level for level, length in runs for _ in range(length)]


probabilities = st.one_of(
    st.lists(anything, max_size=12), st.lists(st.one_of(talk, weak_talk, pause), max_size=16)
).map(flat)
options = st.builds(
    Options,
    vad_threshold=st.sampled_from([0.1, 0.5, 0.9]),
    vad_min_silence_duration_ms=st.sampled_from([50, 500, 2000]),
    vad_min_speech_duration_ms=st.sampled_from([0, 100, 1000]),
    vad_speech_pad_ms=st.sampled_from([0, 30, 200, 2000]),
)
missing = st.integers(0, BLOCK_SAMPLES - 1)
#: Where in the range a cut falls.
cuts = st.sampled_from([0.0, 0.3, 1.0])


class Cutter:
    """Cuts at a fixed part of the range, and keeps what it was asked."""

    def __init__(self, part: float) -> None:
        self.part = part
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, end: int) -> int:
        self.asked.append((start, end))
        return start + round(self.part * (end - start))


def plan(heard: list[float], total: int, options: Options, cut: float) -> list[Span]:
    planner = Planner(options, Cutter(cut))
    return planner.feed(heard) + planner.finish(total)


def speech(heard: list[float], total: int, options: Options) -> list[Span]:
    finder = VadSpeechDetector(SpeechRules.of(options))
    found = [*map(finder.push, heard), finder.finish(total)]
    return [span for span in found if span is not None]


def length(heard: list[float], missing: int) -> int:
    return max(0, len(heard) * BLOCK_SAMPLES - missing)


@given(probabilities, missing, options, cuts, st.booleans(), st.data())
def test_chunks_do_not_matter(
    heard: list[float], missing: int, options: Options, cut: float, vad: bool, data: st.DataObject
) -> None:
    options = options.model_copy(update={"vad_filter": vad})
    total = length(heard, missing)
    edges = sorted(data.draw(st.lists(st.integers(0, len(heard)), max_size=20)))
    planner = Planner(options, Cutter(cut))
    windows = [w for a, b in pairwise([0, *edges, len(heard)]) for w in planner.feed(heard[a:b])]
    windows += planner.finish(total)
    assert windows == plan(heard, total, options, cut)


@given(probabilities, missing, options, cuts)
def test_windows_are_in_order_apart_inside_and_short_enough(
    heard: list[float], missing: int, options: Options, cut: float
) -> None:
    total = length(heard, missing)
    windows = plan(heard, total, options, cut)
    for window in windows:
        assert 0 <= window.start < window.end <= total
        assert window.samples <= MAX_WINDOW
    assert all(before.end <= after.start for before, after in pairwise(windows))


@given(probabilities, missing, options, cuts)
def test_all_speech_is_in_windows(heard: list[float], missing: int, options: Options, cut: float) -> None:
    total = length(heard, missing)
    windows = plan(heard, total, options, cut)
    for span in speech(heard, total, options):
        at = span.start
        for window in windows:
            if window.start <= at < window.end:
                at = window.end
        assert at >= span.end


@given(probabilities, missing, options, cuts)
def test_speech_keeps_its_padding_where_the_window_is_not_full(
    heard: list[float], missing: int, options: Options, cut: float
) -> None:
    total, pad = length(heard, missing), milliseconds(options.vad_speech_pad_ms)
    spans = speech(heard, total, options)
    for window in plan(heard, total, options, cut):
        ended = [span for span in spans if window.start < span.end <= window.end]
        if ended and window.samples < MAX_WINDOW and not _spoken_at(window.end, spans):
            after = min((span.start for span in spans if span.start >= window.end), default=2 * total + pad)
            assert window.end == min(ended[-1].end + pad, (ended[-1].end + after) // 2, total)


@given(probabilities, missing, options, cuts)
def test_no_window_is_without_speech_or_holds_a_long_pause(
    heard: list[float], missing: int, options: Options, cut: float
) -> None:
    total, pad = length(heard, missing), milliseconds(options.vad_speech_pad_ms)
    spans = speech(heard, total, options)
    for window in plan(heard, total, options, cut):
        inside = [span for span in spans if span.start < window.end and span.end > window.start]
        assert inside
        assert all(b.start - a.end <= max(MAX_PAUSE, 2 * pad) for a, b in pairwise(inside))


@given(probabilities, missing, options, cuts, st.booleans())
def test_cuts_are_asked_for_in_sound_that_is_there(
    heard: list[float], missing: int, options: Options, cut: float, vad: bool
) -> None:
    """Also while the file still grows: the range never reaches past the blocks fed so far."""
    cutter = Cutter(cut)
    planner = Planner(options.model_copy(update={"vad_filter": vad}), cutter)
    for number, probability in enumerate(heard, start=1):
        planner.feed([probability])
        there = min(number * BLOCK_SAMPLES, length(heard, missing))
        assert all(0 <= start == end - CUT_RANGE and end <= there for start, end in cutter.asked)
    planner.finish(length(heard, missing))
    assert all(end <= length(heard, missing) for _, end in cutter.asked)


@given(st.integers(0, 200 * 16_000), cuts)
def test_without_detection_everything_is_covered_exactly_once(total: int, cut: float) -> None:
    planner = Planner(Options(vad_filter=False), Cutter(cut))
    windows = planner.feed_unheard(-(-total // BLOCK_SAMPLES)) + planner.finish(total)
    assert [w.start for w in windows] == [0, *(w.end for w in windows)][: len(windows)]
    assert (windows[-1].end if windows else 0) == total
    assert all(MAX_WINDOW - CUT_RANGE <= w.samples <= MAX_WINDOW for w in windows[:-1])


def _spoken_at(sample: int, spans: list[Span]) -> bool:
    return any(span.start < sample < span.end for span in spans)
