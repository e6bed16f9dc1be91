"""Subtitles by rule, whatever the words and times: widths, lines, times, and every word once and in order."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictograph.errors import InvalidOption
from dictograph.formats import render
from dictograph.formats.cues_by_rule import RuledCue, cues_by_rule
from dictograph.formats.lines import one_line
from dictograph.formats.pieces import pieces, text_of
from dictograph.formats.subtitle_rules import DEFAULT_RULES, LONGEST_MS, SHORTEST_MS, SubtitleRules, read_rules
from dictograph.text_width import width
from dictograph.transcript import Segment, TranscriptHead, Word

VOCABULARY = (
    *("the", "a", "of", "Mr.", "Dr.", "U.S.", "well,", "yes.", "however;", "Smith", "“never”", "(so)", "don't"),
    *(
        "re-entered",
        "Donaudampfschifffahrtsgesellschaft",
        "今日は天気がいいので、",
        "「楽しみ」ですね。",
        "สวัสดีครับ",
        "안녕하세요",
    ),
    *("naïve", "Привет,", "мир!", "e\u0301te\u0301", "—", "12,5", "&amp;", "<b>"),
)

nasty = st.text(max_size=30)
spoken = st.lists(st.one_of(st.sampled_from(VOCABULARY), nasty), max_size=12).map(" ".join)


@st.composite
def talks(draw: st.DrawFn) -> list[Segment]:
    """Segments as engines give them: in order, each with the times of its words, or with none."""
    now, made = 0.0, []
    for text in draw(st.lists(spoken, max_size=4)):
        now += draw(st.floats(0, 9))
        start, words = now, []
        with_words = draw(st.booleans())
        for one in one_line(text).split(" "):
            length, pause = draw(st.floats(0, 1.5)), draw(st.sampled_from([0.0, 0.0, 0.05, 0.4, 2.0]))
            words.append(Word(round(now, 3), round(now + length, 3), one, 0.9))
            now += length + pause
        made.append(Segment(round(start, 3), round(now, 3), text, tuple(words) if with_words else ()))
    return made


rules = st.builds(
    SubtitleRules,
    st.integers(1, 80),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(1, 12)),
    st.floats(5, 40),
)


def compact(text: str) -> str:
    return "".join(one_line(text).split(" "))


def words_of(segments: list[Segment]) -> str:
    return "".join(compact(segment.text) for segment in segments)


def said(cues: list[RuledCue]) -> str:
    return "".join(compact(cue.text.replace("\n", " ")) for cue in cues)


@settings(max_examples=40)
@given(talks(), rules)
def test_every_word_is_there_once_and_in_order(talk: list[Segment], rules: SubtitleRules) -> None:
    assert said(list(cues_by_rule(talk, rules))) == words_of(talk)


@settings(max_examples=40)
@given(talks(), rules)
def test_no_line_is_wider_and_no_cue_has_more_lines_than_allowed(talk: list[Segment], rules: SubtitleRules) -> None:
    for cue in cues_by_rule(talk, rules):
        assert len(cue.lines) <= rules.max_lines
        for line in cue.lines:
            assert width(text_of(line)) <= rules.max_line_width or len(line) == 1  # text that nothing may break


@settings(max_examples=40)
@given(talks(), rules)
def test_cues_are_on_screen_for_one_to_seven_seconds_and_never_two_at_once(
    talk: list[Segment], rules: SubtitleRules
) -> None:
    cues = list(cues_by_rule(talk, rules))
    for cue in cues:
        assert cue.start < cue.end <= cue.start + LONGEST_MS
    for cue, after in pairwise(cues):
        assert cue.end <= after.start
        assert cue.end - cue.start >= SHORTEST_MS or cue.end == after.start  # no time is left unused


@settings(max_examples=40)
@given(talks(), rules)
def test_a_cue_stays_until_it_can_be_read_where_the_times_allow(talk: list[Segment], rules: SubtitleRules) -> None:
    cues = list(cues_by_rule(talk, rules))
    for cue, after in pairwise(cues):
        quickest = len(cue.text.replace("\n", "")) * 1000 / rules.max_chars_per_second
        assert cue.end - cue.start >= quickest or cue.end in (after.start, cue.start + LONGEST_MS)


@settings(max_examples=40)
@given(talks(), st.integers(1, 12))
def test_no_cue_has_more_words_than_allowed(talk: list[Segment], most: int) -> None:
    for cue in cues_by_rule(talk, SubtitleRules(max_words=most)):
        spaced = [piece for line in cue.lines for piece in line]
        assert sum(piece.words for piece in spaced) <= most or len(spaced) == 1


@given(
    st.lists(
        st.sampled_from(["Mr.", "Dr.", "U.S.", "Smith", "came", "and,", "then.", "today"]), min_size=1, max_size=60
    )
)
def test_nothing_is_broken_behind_an_abbreviation(words: list[str]) -> None:
    rows = "".join(f" {word}" if word.endswith((".", ",")) and word != "then." else f" {word}\n" for word in words)
    talk = [Segment(n * 2.0, n * 2.0 + 1.9, row) for n, row in enumerate(rows.splitlines())]
    lines = [text_of(line) for cue in cues_by_rule(talk, DEFAULT_RULES) for line in cue.lines]
    for line, after in pairwise(lines):
        assert not line.endswith(("Mr.", "Dr.", "U.S.")) or width(f"{line} {after.split()[0]}") > 42


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100), spoken), max_size=8))
def test_times_without_any_order_give_cues_in_order(given: list[tuple[float, float, str]]) -> None:
    segments = [Segment(start, end, text) for start, end, text in given]
    cues = list(cues_by_rule(segments, DEFAULT_RULES))
    assert said(cues) == words_of(segments)
    for cue in cues:
        assert cue.start < cue.end
    for cue, after in pairwise(cues):
        assert cue.end <= after.start


def test_an_abbreviation_stays_with_its_name_across_segments() -> None:
    talk = [
        Segment(0.0, 3.0, "And then came Mr."),
        Segment(3.2, 5.0, "Smith of the U.S."),
        Segment(5.1, 7.0, "Senate."),
    ]
    lines = [text_of(line) for cue in cues_by_rule(talk, DEFAULT_RULES) for line in cue.lines]
    assert " ".join(lines) == "And then came Mr. Smith of the U.S. Senate."
    assert not [line for line in lines[:-1] if line.endswith(("Mr.", "U.S."))]


def test_a_break_is_at_the_end_of_a_sentence_rather_than_inside_the_next() -> None:
    talk = [
        Segment(0.0, 4.0, "We went home at seven in the evening that day."),
        Segment(4.0, 9.0, "The rain had stopped, and the streets were almost dry again."),
    ]
    cues = list(cues_by_rule(talk, DEFAULT_RULES))
    assert [cue.text for cue in cues] == [
        "We went home at seven\nin the evening that day.",
        "The rain had stopped,\nand the streets were almost dry again.",
    ]
    assert (cues[0].start, cues[1].start) == (0, 4000)


def test_east_asian_text_is_broken_between_characters_and_counted_by_columns() -> None:
    text = "今日は天気がいいので、散歩に行きましょう。それから、友達と映画を見て、「楽しみ」ですね。ちょっと待って。"
    cues = list(cues_by_rule([Segment(0.0, 14.0, text)], SubtitleRules(max_line_width=20)))
    lines = [text_of(line) for cue in cues for line in cue.lines]
    assert "".join(lines) == text
    assert all(width(line) <= 20 for line in lines)
    assert not [line for line in lines if line[0] in "、。」ょ"]
    assert not [line for line in lines if line[-1] == "「"]


def test_segments_of_ideographs_are_joined_without_a_space() -> None:
    [cue] = cues_by_rule([Segment(0.0, 2.0, "今日は"), Segment(2.0, 4.0, "天気がいい")], DEFAULT_RULES)
    assert cue.text == "今日は天気がいい"


def test_the_times_of_words_are_used_and_others_lie_between_them() -> None:
    words = (Word(1.0, 1.2, " one", 0.9), Word(5.0, 5.5, " three", 0.9))
    found = list(pieces(Segment(1.0, 6.0, " one two three", words)))
    assert [(piece.text, piece.start, piece.end) for piece in found if piece.text != "two"] == [
        ("one", 1000, 1200),
        ("three", 5000, 5500),
    ]
    assert 1200 < found[1].start < found[1].end < 5000


def test_without_times_of_words_they_are_interpolated_by_the_width_of_the_text() -> None:
    found = list(pieces(Segment(10.0, 20.0, "aaaa bbbb")))
    assert [(piece.start, piece.end) for piece in found] == [(10_000, 14_444), (15_555, 20_000)]


def test_channels_have_cues_of_their_own_which_may_overlap() -> None:
    chance, talk = random.Random(5), []
    for channel in (1, 2):
        now = chance.random()
        for number in range(200):
            length = chance.uniform(0.5, 6)
            talk.append(
                Segment(round(now, 3), round(now + length, 3), f"word {number} of channel {channel}.", channel=channel)
            )
            now += length + chance.uniform(0, 9)
    talk.sort(key=lambda segment: segment.start)
    cues = list(cues_by_rule(talk, DEFAULT_RULES))
    assert [cue.start for cue in cues] == sorted(cue.start for cue in cues)
    by_channel = defaultdict(list)
    for cue in cues:
        by_channel[cue.channel].append(cue)
    assert set(by_channel) == {1, 2}
    for which, own in by_channel.items():
        assert said(own) == words_of([segment for segment in talk if segment.channel == which])
        assert all(cue.end <= after.start for cue, after in pairwise(own))
    assert any(cue.end > after.start for cue, after in pairwise(cues))


@pytest.mark.parametrize("text", ["Mr. " * 3000, "a" * 20_000, "今" * 5000, "— " * 4000, "่" * 3000])
def test_a_hostile_text_is_rendered_in_time(text: str) -> None:
    talk = [Segment(0.0, 30.0, text)]
    assert said(list(cues_by_rule(talk, DEFAULT_RULES))) == words_of(talk)


def test_the_rules_change_what_is_rendered_and_whisper_s_names_mean_the_same() -> None:
    talk = [Segment(0.0, 6.0, "One two three four five six.")]
    for name in ("max_words", "max_words_per_line"):
        rules = read_rules({name: "2"})
        assert "".join(render("srt", TranscriptHead(), talk, rules)).count("-->") == 3
    narrow = read_rules({"max_line_width": "10", "max_line_count": "3"})
    assert narrow == SubtitleRules(max_line_width=10, max_lines=3)
    assert "\nOne two\nthree four\nfive six.\n" in "".join(render("srt", TranscriptHead(), talk, narrow))


def test_no_rule_is_none_and_an_empty_one_counts_as_left_out() -> None:
    assert read_rules({"max_words": "", "max_lines": None}) is None


@pytest.mark.parametrize("given", [{"max_lines": "0"}, {"max_line_width": "x"}, {"max_chars_per_second": "nan"}])
def test_a_rule_that_cannot_be_is_refused_by_name(given: dict[str, str]) -> None:
    [name] = given
    with pytest.raises(InvalidOption, match=name):
        read_rules(given)


def test_karaoke_times_add_up_and_nothing_in_the_text_is_taken_for_a_tag() -> None:
    words = (Word(1.0, 1.5, "{a}", 0.9), Word(1.7, 2.0, "\\Nb", 0.9), Word(2.0, 2.5, "[00:09.00]c", 0.9))
    talk = [Segment(1.0, 2.5, "{a} \\Nb [00:09.00]c", words)]
    script = "".join(render("ass", TranscriptHead(), talk))
    assert script.splitlines()[-1] == (
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\k70}(a){\\k30} \\\u2060Nb{\\k50} [00:09.00]c"
    )
    assert "".join(render("lrc", TranscriptHead(), talk)).count("[") == 3
    assert "[00:09.00]" in "".join(render("lrc", TranscriptHead(), talk)).replace("\u2060", "")
