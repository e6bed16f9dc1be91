"""Words, segments, their text and times."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dictograph.transcript import JobWarning, Segment, Transcript, TranscriptHead, Word, join_text

seconds = st.floats(0, 1e5).map(lambda value: round(value, 3))
words = st.builds(Word, seconds, seconds, st.text(), st.floats(0, 1))
segments = st.builds(
    Segment,
    seconds,
    seconds,
    st.text(),
    st.lists(words, max_size=3).map(tuple),
    st.none() | st.floats(-10, 0),
    st.none() | st.floats(0, 10),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1),
    st.lists(st.integers(0, 60_000), max_size=3).map(tuple),
)


@given(segment=segments)
def test_a_segment_survives_json(segment: Segment) -> None:
    assert Segment.from_dict(json.loads(json.dumps(segment.as_dict()))) == segment


def test_a_segment_can_be_read_from_the_least_there_is() -> None:
    assert Segment.from_dict({"start": 0, "end": 1, "text": "a"}) == Segment(0, 1, "a")


@given(segment=segments, by=seconds)
def test_a_shift_moves_all_times_and_nothing_else(segment: Segment, by: float) -> None:
    later = segment.shifted(by)
    assert abs(later.start - segment.start - by) < 0.001
    assert abs(later.end - segment.end - by) < 0.001
    assert [(w.word, w.probability) for w in later.words] == [(w.word, w.probability) for w in segment.words]
    assert all(abs(b.start - a.start - by) < 0.001 for a, b in zip(segment.words, later.words, strict=True))
    assert later.as_dict() | {"start": 0, "end": 0, "words": 0} == segment.as_dict() | {
        "start": 0,
        "end": 0,
        "words": 0,
    }


def test_shifted_times_are_free_of_float_dust() -> None:
    assert Segment(0.1, 0.2, "a").shifted(0.2).start == 0.3


def test_text_is_joined_by_single_spaces_without_gaps() -> None:
    assert join_text([Segment(0, 1, " one "), Segment(1, 2, "  "), Segment(2, 3, "two")]) == "one two"
    assert join_text([]) == ""


def test_a_transcript_gives_its_text_words_language_and_length() -> None:
    word = Word(0, 1, "one", 1.0)
    transcript = Transcript(
        TranscriptHead(language="en", duration=3.5), (Segment(0, 1, "one", (word,)), Segment(1, 2, "b"))
    )
    assert (transcript.text, transcript.words) == ("one b", (word,))
    assert (transcript.language, transcript.duration) == ("en", 3.5)


def test_a_warning_says_only_what_it_knows() -> None:
    assert JobWarning("code", "words").as_dict() == {"code": "code", "message": "words"}
    assert JobWarning("code", "words", 1.0, 2.0).as_dict() == {
        "code": "code",
        "message": "words",
        "start": 1.0,
        "end": 2.0,
    }
