"""Probabilities to speech: each rule on its own, and what must hold for any probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dictograph.audio.speech import PassThroughDetector, Span, Speech, SpeechRules, VadSpeechDetector
from dictograph.audio.vad import BLOCK_SAMPLES
from dictograph.job import Options

SURE, WEAK, MURMUR, QUIET = 0.999, 0.55, 0.4, 0.05
SECOND = 31  # blocks, and a bit less than a second
RULES = SpeechRules.of(Options())

runs = st.lists(st.tuples(st.sampled_from([SURE, 0.9, 0.7, WEAK, 0.5, MURMUR, QUIET, 0.0, 1.0]), st.integers(1, 60)))


def blocks(*parts: tuple[float, int]) -> list[float]:
    return [probability for probability, length in parts for _ in range(length)]


def find(probabilities: Sequence[float], rules: SpeechRules = RULES, total: int | None = None) -> list[Speech]:
    finder = VadSpeechDetector(rules)
    found: Iterable[Speech | None] = [finder.push(probability) for probability in probabilities]
    ended = finder.finish(len(probabilities) * BLOCK_SAMPLES if total is None else total)
    return [span for span in [*found, ended] if span is not None]


def span(first: int, after: int, *, certain: bool = True) -> Speech:
    return Speech(first * BLOCK_SAMPLES, after * BLOCK_SAMPLES, certain)


def doubtful(first: int, after: int) -> Speech:
    return span(first, after, certain=False)


def test_speech_is_where_the_probability_is_high() -> None:
    assert find(blocks((QUIET, 20), (SURE, 30), (QUIET, 40), (SURE, 10), (QUIET, 20))) == [span(20, 50), span(90, 100)]


def test_a_pause_shorter_than_the_least_belongs_to_the_speech() -> None:
    assert find(blocks((SURE, 30), (QUIET, 15), (SURE, 30), (QUIET, 16))) == [span(0, 75)]
    assert len(find(blocks((SURE, 30), (QUIET, 16), (SURE, 30)))) == 2


def test_speech_goes_on_between_the_thresholds() -> None:
    assert find(blocks((SURE, 30), (MURMUR, 100), (QUIET, 40))) == [span(0, 130)]


def test_a_murmur_below_the_lower_threshold_is_no_speech() -> None:
    assert find(blocks((0.29, 300))) == []


def test_a_murmur_alone_is_in_doubt_however_long() -> None:
    assert find(blocks((QUIET, 9), (MURMUR, 300), (QUIET, 30))) == [doubtful(9, 309)]


def test_a_murmur_ends_a_pause() -> None:
    assert find(blocks((SURE, 30), (QUIET, 8), (MURMUR, 8), (SURE, 30))) == [span(0, 76)]


def test_too_short_a_sound_is_no_speech() -> None:
    assert find(blocks((QUIET, 9), (SURE, 1), (QUIET, 30))) == []
    assert find(blocks((QUIET, 9), (SURE, 2), (QUIET, 30))) == [doubtful(9, 11)]


def test_a_click_does_not_vouch_for_what_follows() -> None:
    assert find(blocks((SURE, 1), (QUIET, 20), (WEAK, 8), (QUIET, 20))) == [doubtful(21, 29)]


def test_a_sound_barely_above_the_threshold_is_in_doubt() -> None:
    assert find(blocks((QUIET, 9), (WEAK, 12), (QUIET, 30))) == [doubtful(9, 21)]


def test_a_sound_barely_above_the_threshold_is_certain_when_it_lasts() -> None:
    assert find(blocks((QUIET, 9), (WEAK, 90), (QUIET, 30))) == [span(9, 99)]


def test_doubt_beside_undoubted_speech_stays_doubt() -> None:
    pause = 20
    assert find(blocks((WEAK, 8), (QUIET, pause), (SURE, 30), (QUIET, pause), (WEAK, 8), (QUIET, 30))) == [
        doubtful(0, 8),
        span(28, 58),
        doubtful(78, 86),
    ]


def test_the_current_speech_becomes_certain_by_its_evidence() -> None:
    finder = VadSpeechDetector(RULES)
    certain = []
    for probability in blocks((QUIET, 2), (SURE, 4)):
        finder.push(probability)
        certain.append(finder.current and finder.current.certain)
    assert certain == [None, None, None, False, True, True]


def test_the_threshold_is_the_jobs_own() -> None:
    murmur = blocks((QUIET, 9), (MURMUR, 60), (QUIET, 30))
    assert find(murmur, SpeechRules.of(Options(vad_threshold=0.3))) == [span(9, 69)]
    assert find(blocks((0.74, 60)), SpeechRules.of(Options(vad_threshold=0.95))) == []


def test_a_high_threshold_asks_for_no_more_evidence() -> None:
    assert find(blocks((QUIET, 9), (0.92, 7), (QUIET, 30)), SpeechRules.of(Options(vad_threshold=0.9))) == [span(9, 16)]


def test_the_lower_threshold_stays_above_zero() -> None:
    assert SpeechRules.of(Options(vad_threshold=0.05)).lower_threshold == 0.01


def test_speech_at_the_end_ends_with_the_audio() -> None:
    assert find(blocks((QUIET, 9), (SURE, 30)), total=39 * BLOCK_SAMPLES - 100) == [Speech(9 * 512, 39 * 512 - 100)]
    assert find(blocks((SURE, 30), (QUIET, 5))) == [span(0, 30)]


def test_a_sound_that_was_too_short_is_forgotten() -> None:
    finder = VadSpeechDetector(RULES)
    for probability in blocks((SURE, 1), (QUIET, 20)):
        finder.push(probability)
    assert finder.current is None
    assert finder.earliest == 21 * BLOCK_SAMPLES


def test_without_detection_everything_is_speech() -> None:
    finder = PassThroughDetector()
    assert [finder.push(0.0) for _ in range(10)] == [None] * 10
    assert finder.current == span(0, 10)
    assert finder.finish(5000) == Speech(0, 5000)
    assert PassThroughDetector().finish(0) is None


@given(runs)
def test_spans_are_in_order_and_apart(parts: list[tuple[float, int]]) -> None:
    probabilities = blocks(*parts)
    spans = find(probabilities)
    for each in spans:
        assert 0 <= each.start < each.end <= len(probabilities) * BLOCK_SAMPLES
        assert each.samples >= RULES.min_speech
    for before, after in pairwise(spans):
        assert after.start - before.end >= RULES.min_silence


@given(runs)
def test_what_is_promised_while_listening_comes_true(parts: list[tuple[float, int]]) -> None:
    """`earliest` and the start of `current` are promises about all that follows; what is certain stays so."""
    probabilities = blocks(*parts)
    spans = find(probabilities)
    finder, earliest, ended = VadSpeechDetector(RULES), 0, 0
    for probability in probabilities:
        ended += finder.push(probability) is not None
        if finder.current is not None:
            assert finder.current.start == spans[ended].start
            assert finder.current.end <= spans[ended].end
            assert spans[ended].certain or not finder.current.certain
            assert finder.current.start >= earliest
        else:
            assert finder.earliest >= earliest
            earliest = finder.earliest
            assert all(each.start >= earliest for each in spans[ended:])


@given(st.lists(st.sampled_from([SURE, MURMUR, QUIET]), max_size=400), st.integers(50, 1000), st.integers(0, 300))
def test_hysteresis_agrees_with_a_plain_account_of_it(levels: list[float], silence_ms: int, speech_ms: int) -> None:
    rules = SpeechRules.of(Options(vad_min_silence_duration_ms=silence_ms, vad_min_speech_duration_ms=speech_ms))
    total = len(levels) * BLOCK_SAMPLES
    found = [Span(one.start, one.end) for one in find(levels, rules)]
    assert found == [s for s in _plain(levels, rules, total) if s.samples >= rules.min_speech]


def _plain(levels: Sequence[float], rules: SpeechRules, total: int) -> list[Span]:
    """Every block that is not quiet is speech; what is closer than the least pause is one."""
    spans: list[Span] = []
    for index, level in enumerate(levels):
        if level == QUIET:
            continue
        block = Span(index * BLOCK_SAMPLES, min((index + 1) * BLOCK_SAMPLES, total))
        if spans and block.start - spans[-1].end < rules.min_silence:
            spans[-1] = Span(spans[-1].start, block.end)
        else:
            spans.append(block)
    return spans
