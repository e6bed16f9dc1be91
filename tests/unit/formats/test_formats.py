"""What is rendered can be read back: by a strict reader of each format, for any text and times."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.errors import InvalidOption
from dictograph.formats import FORMATS, render
from dictograph.formats.lines import encodable, one_line
from dictograph.languages import LANGUAGES
from dictograph.transcript import JobWarning, Segment, TranscriptHead, Word, join_text

HEAD = TranscriptHead(
    language="de",
    language_probability=0.98,
    duration=12.5,
    engine="whisper",
    model="small",
    complete=False,
    warnings=(JobWarning("damaged", "Two seconds could not be decoded.", 1.0, 3.0),),
)
NASTY = [
    "-->",
    "WEBVTT",
    "1\n\n2",
    "00:00:01,000 --> 00:00:02,000",
    "NOTE x",
    "<b>&amp;",
    "a\tb",
    "\ud800",
    "\0",
    "\r\n",
]

texts = st.one_of(
    st.text(), st.sampled_from(NASTY), st.text(alphabet=" \t\r\n\v\f\x85\u2028<>&-\"'\\\ud800é語", min_size=1)
)
times = st.floats(min_value=0, max_value=10**6).map(lambda seconds: round(seconds, 3))
words = st.builds(Word, times, times, texts, st.floats(min_value=0, max_value=1))
segment_lists = st.lists(
    st.builds(Segment, start=times, end=times, text=texts, words=st.lists(words, max_size=3).map(tuple)), max_size=8
)


def rendered(name: str, segments: list[Segment]) -> str:
    """The transcript as systems before this one write it: a cue for each segment."""
    text = "".join(FORMATS[name].render(HEAD, iter(segments)))
    text.encode()  # whatever came in, it can be sent
    return text


def spoken(segments: list[Segment]) -> list[str]:
    return [text for segment in segments if (text := one_line(segment.text))]


def milliseconds(clock: str, point: str) -> int:
    match = re.fullmatch(rf"(\d\d+):([0-5]\d):([0-5]\d){re.escape(point)}(\d\d\d)", clock)
    assert match, clock
    hours, minutes, seconds, thousandths = map(int, match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def in_order(cues: list[tuple[int, int, str]]) -> None:
    for start, end, _ in cues:
        assert start < end
    for (_, end, _), (start, _, _) in pairwise(cues):
        assert end <= start


def read_srt(text: str) -> list[tuple[int, int, str]]:
    cues = []
    for number, block in enumerate(text.split("\n\n")[:-1], start=1):
        index, clocks, line = block.split("\n")
        assert int(index) == number
        start, end = (milliseconds(clock, ",") for clock in clocks.split(" --> "))
        cues.append((start, end, line))
    return cues


def read_vtt(text: str) -> list[tuple[int, int, str]]:
    magic, *blocks = text.rstrip("\n").split("\n\n")
    assert magic == "WEBVTT"
    cues = []
    for block in blocks:
        clocks, line = block.split("\n")
        assert not set(line) & {"<", ">"}
        start, end = (milliseconds(clock, ".") for clock in clocks.split(" --> "))
        cues.append((start, end, re.sub("&(amp|lt|gt);", lambda escape: unescape(escape[0]), line)))
    return cues


def read_tsv(text: str) -> list[tuple[int, int, str]]:
    header, *rows = csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    assert header == ["start", "end", "text"]
    return [(int(start), int(end), from_cell(line)) for start, end, line in rows]


def from_cell(text: str) -> str:
    """The text of a cell, as docs/reference/formats.md says how to get it."""
    return text[1:] if re.match("'+[=+@\uff1d\uff0b\uff0d\uff20-]", text) else text


READERS = {"srt": read_srt, "vtt": read_vtt, "tsv": read_tsv}


@pytest.mark.parametrize("name", READERS)
@given(segments=segment_lists)
def test_cues_can_be_read_back_whatever_the_text(name: str, segments: list[Segment]) -> None:
    cues = READERS[name](rendered(name, segments))
    in_order(cues)
    assert [line for _, _, line in cues] == spoken(segments)


@pytest.mark.parametrize("name", READERS)
@given(gaps=st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**5)), max_size=8))
def test_times_that_are_in_order_are_kept_to_the_millisecond(name: str, gaps: list[tuple[int, int]]) -> None:
    expected, now = [], 0
    for gap, length in gaps:
        expected.append((now + gap, now + gap + length, "x"))
        now += gap + length
    segments = [Segment(start / 1000, end / 1000, text) for start, end, text in expected]
    assert READERS[name](rendered(name, segments)) == expected


@given(segments=segment_lists)
def test_txt_has_a_line_for_each_segment(segments: list[Segment]) -> None:
    text = rendered("txt", segments)
    assert text.split("\n") == [*spoken(segments), ""]
    assert len(text.splitlines()) == len(spoken(segments))


@pytest.mark.parametrize("name", ["json", "verbose_json"])
@given(segments=segment_lists)
def test_json_says_all(name: str, segments: list[Segment]) -> None:
    document = json.loads(rendered(name, segments))
    assert document["text"] == encodable(join_text(segments))
    assert [(s["start"], s["end"]) for s in document["segments"]] == [(s.start, s.end) for s in segments]
    assert [len(s.get("words", ())) for s in document["segments"]] == [len(s.words) for s in segments]
    assert document["language"] == "de"
    assert document["duration"] == 12.5
    assert document["complete"] is False
    assert document["warnings"] == [HEAD.warnings[0].as_dict()]


def test_verbose_json_has_every_figure_and_all_words_at_the_top() -> None:
    word = Word(0.5, 0.9, " one", 0.75)
    first = Segment(0.5, 1.0, " one", (word,), -0.25, 1.1, 0.01, 0.0, (5, 6))
    document = json.loads(rendered("verbose_json", [first, Segment(1.0, 2.0, "two", (Word(1.0, 2.0, "two", 1.0),))]))
    assert document["segments"][0] == {
        "id": 0,
        "seek": 50,
        "start": 0.5,
        "end": 1.0,
        "text": "one",
        "tokens": [5, 6],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.1,
        "no_speech_prob": 0.01,
        "words": [{"start": 0.5, "end": 0.9, "word": "one", "probability": 0.75}],
    }
    assert [word["word"] for word in document["words"]] == ["one", "two"]
    assert (document["task"], document["language_name"], document["text"]) == ("transcribe", "German", "one two")


@pytest.mark.parametrize(
    ("name", "expected"), [("txt", ""), ("srt", ""), ("vtt", "WEBVTT\n"), ("tsv", "start\tend\ttext\n")]
)
def test_an_empty_transcript_is_a_valid_file(name: str, expected: str) -> None:
    assert rendered(name, []) == expected


@pytest.mark.parametrize("start", "=+-@\uff1d\uff0b\uff0d\uff20")
@pytest.mark.parametrize("before", ["", "\t", "\r", "\n ", "'", "''"])
def test_no_cell_of_a_table_begins_a_formula(start: str, before: str) -> None:
    said = f'{before}{start}cmd|"/c calc"!A0'
    cell = rendered("tsv", [Segment(0.0, 1.0, said)]).splitlines()[1].split("\t")[2]
    assert cell.startswith("'")
    assert from_cell(cell) == said.strip()


@pytest.mark.parametrize("said", ["'tis so", "a=b", "5 - 3", "'", "e-mail"])
def test_other_cells_of_a_table_are_as_they_were_said(said: str) -> None:
    assert rendered("tsv", [Segment(0.0, 1.0, said)]).splitlines()[1].split("\t")[2] == said


def test_hours_beyond_99_and_touching_times() -> None:
    late = [Segment(360_000.0, 360_000.0, "a"), Segment(359_999.0, 360_001.5, "b")]
    assert rendered("srt", late) == (
        "1\n100:00:00,000 --> 100:00:00,001\na\n\n2\n100:00:00,001 --> 100:00:01,500\nb\n\n"
    )


def test_no_break_spaces_stay() -> None:
    assert rendered("txt", [Segment(0, 1, "Quoi\u202f?\xa0Non.")]) == "Quoi\u202f?\xa0Non.\n"


def test_an_unknown_format_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InvalidOption, match=r"doc.*txt, json"):
        render("doc", HEAD, [])


@pytest.mark.parametrize("name", FORMATS)
def test_memory_does_not_grow_with_the_transcript(name: str) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in render(name, HEAD, many(count)):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    def many(count: int) -> Iterator[Segment]:
        for index in range(count):
            yield Segment(index, index + 1, "word " * 100, (Word(index, index + 1, "word", 1.0),) * 4)

    few, many_more = (40, 400) if FORMATS[name].by_rule else (400, 4_000)
    peak(10)  # what is loaded once
    assert peak(many_more) < max(1.5 * peak(few), 900_000)  # the tenth of two megabytes of text, and all of it


def test_every_language_has_its_code_and_name() -> None:
    assert len(LANGUAGES) == 100
    assert all(re.fullmatch("[a-z]{2,3}", code) and name[0].isupper() for code, name in LANGUAGES.items())
