"""A job says how much of its speech has words, and names what has none."""

from __future__ import annotations

from dictograph.audio.speech import Span, Speech
from dictograph.engine.protocol import SAMPLE_RATE, WindowResult
from dictograph.transcript import Segment, Word
from dictograph.worker.accounts.speech_accounting import MOST_NAMED, SpeechAccount, SpeechAccounts, no_words
from dictograph.worker.pipeline_window import PipelineWindow
from dictograph.worker.planning import NumberedWindow


def _window(start: float, *speech: tuple[float, float]) -> NumberedWindow:
    spans = tuple(Speech(round(a * SAMPLE_RATE), round(b * SAMPLE_RATE)) for a, b in speech)
    return NumberedWindow(
        0, PipelineWindow(Span(round(start * SAMPLE_RATE), round((start + 30) * SAMPLE_RATE)), "", spans)
    )


def _words(*times: tuple[float, float]) -> WindowResult:
    return WindowResult((Segment(times[0][0], times[-1][1], "text", tuple(Word(a, b, "text", 0.9) for a, b in times)),))


def test_what_no_word_covers_is_named_in_the_time_of_the_audio() -> None:
    account = SpeechAccount.of(_window(100, (100, 110)), _words((0.0, 4.0)))
    assert (account.spoken, account.uncovered) == (10.0, ((104.3, 110.0),))
    seconds, (warning,) = SpeechAccounts().summed([account])
    assert (seconds.spoken, round(seconds.covered, 3)) == (10.0, 4.3)
    assert (warning.code, warning.start, warning.end) == ("speech_without_words", 104.3, 110.0)


def test_an_engine_without_times_of_words_covers_its_segments() -> None:
    assert SpeechAccount.of(_window(0, (0, 10)), WindowResult((Segment(0.0, 10.0, "text"),))).uncovered == ()


def test_a_window_without_any_text_is_named_whole() -> None:
    assert SpeechAccount.of(_window(5, (6, 9)), WindowResult()).uncovered == ((6.0, 9.0),)


def test_without_detection_there_is_nothing_to_account_for() -> None:
    unknown = NumberedWindow(0, PipelineWindow(Span(0, SAMPLE_RATE), ""))
    assert SpeechAccount.of(unknown, WindowResult()) == SpeechAccount()


def test_very_many_parts_are_named_once_as_many() -> None:
    account = SpeechAccount(30.0, tuple((float(n), n + 0.5) for n in range(MOST_NAMED + 50)))
    _, warnings = SpeechAccounts().summed([account])
    assert len(warnings) == MOST_NAMED + 1
    assert warnings[-1].end is None, "the last one says that there are more"
    _, later = SpeechAccounts.of_warnings([warning.as_dict() for warning in warnings]).summed([account])
    assert later == []


def test_an_empty_transcript_of_loud_audio_is_told() -> None:
    warning = no_words(16_384)
    assert warning is not None
    assert "-6 dBFS" in warning.message
    assert no_words(1) is None
