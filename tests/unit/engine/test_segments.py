"""Words become segments that read well."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dictograph.engine.segments import LONGEST_S, WIDEST, TimedWord, group, text_of
from dictograph.text_width import width


def _spoken(text: str, gaps: dict[int, float] | None = None, each: float = 0.3) -> list[TimedWord]:
    """A text's words, `each` seconds long, with a pause of `gaps[i]` seconds before word i."""
    words, now = [], 0.0
    for index, word in enumerate(text.split()):
        now += (gaps or {}).get(index, 0.0)
        words.append(TimedWord(now, now + each, " " + word, 0.9, (index,)))
        now += each
    return words


def _texts(words: list[TimedWord]) -> list[str]:
    return [text_of(part) for part in group(words)]


def test_a_pause_ends_a_segment() -> None:
    assert _texts(_spoken("so he said that", {2: 0.7})) == ["so he", "said that"]
    assert _texts(_spoken("so he said that", {2: 0.4})) == ["so he said that"]


def test_a_sentence_ends_a_segment() -> None:
    assert _texts(_spoken("This is the end. It is not.")) == ["This is the end.", "It is not."]
    assert _texts(_spoken("“Is this the end?” She laughed.")) == ["“Is this the end?”", "She laughed."]


def test_a_short_answer_stays_with_what_follows() -> None:
    assert _texts(_spoken("Yes. I think so.")) == ["Yes. I think so."]


def test_titles_and_abbreviations_end_no_sentence() -> None:
    assert _texts(_spoken("We all went to see Dr. Miller today")) == ["We all went to see Dr. Miller today"]
    assert _texts(_spoken("We went at five p.m. on the dot")) == ["We went at five p.m. on the dot"]


def test_a_long_sentence_is_cut_after_a_comma_rather_than_anywhere() -> None:
    text = "when in the course of human events it becomes necessary, then one people has to dissolve the bands they had"
    first, second = _texts(_spoken(text, each=0.2))
    assert first.endswith("necessary,")
    assert second.startswith("then")


def test_languages_without_spaces_are_cut_too() -> None:
    words = [
        TimedWord(i * 0.2, i * 0.2 + 0.2, sign, 1.0) for i, sign in enumerate("今日は天気がいいから散歩しましょう" * 4)
    ]
    parts = _texts(words)
    assert "".join(parts) == "今日は天気がいいから散歩しましょう" * 4
    assert all(width(part) <= WIDEST for part in parts)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 2),
            st.floats(0, 3),
            st.sampled_from([" a", " word", " end.", ",", " Überaus", "語", " x" * 60]),
        )
    )
)
def test_no_word_is_lost_and_no_segment_too_long(given_words: list[tuple[float, float, str]]) -> None:
    words, now = [], 0.0
    for pause, length, text in given_words:
        words.append(TimedWord(now + pause, now + pause + length, text, 1.0))
        now += pause + length
    groups = group(words)
    assert [word for part in groups for word in part] == words
    for part in groups:
        assert len(part) == 1 or part[-1].end - part[0].start <= LONGEST_S
        assert len(part) == 1 or width(text_of(part)) <= WIDEST
