"""Transcripts: partial and whole, by format and by Accept, however long."""

from __future__ import annotations

import json

import httpx
import pytest

from dictograph.transcript import Segment, Word
from tests.integration.api.live import FakeWorker, Live

JOBS = "/v1/transcriptions"


@pytest.fixture
def job(client: httpx.Client) -> str:
    return str(client.post(JOBS, files={"file": ("a.wav", b"x")}).json()["id"])


@pytest.fixture(scope="module")
def shared_job(shared: httpx.Client) -> str:
    return str(shared.post(JOBS, files={"file": ("a.wav", b"x")}).json()["id"])


@pytest.mark.contract("native", "GET /v1/transcriptions/{job_id}/transcript", "as far as it has come")
def test_it_is_there_as_far_as_it_has_come(client: httpx.Client, hand: FakeWorker, job: str) -> None:
    url = f"{JOBS}/{job}/transcript"
    empty = client.get(url, params={"format": "txt"})
    assert (empty.status_code, empty.text, empty.headers["x-transcript-complete"]) == (200, "", "false")
    hand.claim()
    hand.freeze()
    hand.plan(4)
    hand.commit(0)
    hand.commit(1)
    partial = client.get(url, params={"format": "txt"})
    assert (partial.text, partial.headers["x-transcript-complete"]) == ("word0\nword1\n", "false")
    assert client.get(url).json()["complete"] is False
    hand.commit(2, 3)
    hand.complete()
    whole = client.get(url, params={"format": "txt"})
    assert (whole.text, whole.headers["x-transcript-complete"]) == ("word0\nword1\nword2\nword3\n", "true")


@pytest.mark.contract("native", "GET /v1/transcriptions/{job_id}/transcript", "every format")
def test_every_format(client: httpx.Client, hand: FakeWorker, job: str) -> None:
    hand.finish_one(2)
    texts = {
        name: client.get(f"{JOBS}/{job}/transcript", params={"format": name})
        for name in ("txt", "json", "verbose_json", "srt", "vtt", "tsv", "ass", "lrc", "elrc")
    }
    assert {answer.status_code for answer in texts.values()} == {200}
    assert texts["srt"].text == (
        "1\n00:00:01,000 --> 00:00:02,000\nword0\n\n2\n00:00:11,000 --> 00:00:12,000\nword1\n\n"
    )
    assert texts["lrc"].text == "[00:01.00]word0\n[00:02.00]\n[00:11.00]word1\n[00:12.00]\n"
    assert texts["elrc"].text.startswith("[00:01.00]<00:01.00>word0<00:02.00>\n[00:02.00]\n")
    assert texts["ass"].text.endswith("Dialogue: 0,0:00:11.00,0:00:12.00,Default,,0,0,0,,{\\k100}word1\n")
    assert texts["vtt"].text.startswith("WEBVTT\n")
    assert texts["tsv"].text.splitlines()[1] == "1000\t2000\tword0"
    assert json.loads(texts["json"].text)["language"] == "en"
    assert len(json.loads(texts["verbose_json"].text)["segments"]) == 2


#: A segment whose words are not spread evenly: estimated times would be others.
UNEVEN = Segment(
    1, 5, " one two three", (Word(1, 1.25, " one", 0.9), Word(1.5, 2, " two", 0.9), Word(3, 5, " three", 0.9))
)
WORD_TIMES = "<00:01.00>one <00:01.50>two <00:03.00>three<00:05.00>"


@pytest.mark.parametrize("complete", [False, True], ids=["as it grows", "complete"])
def test_cues_stand_on_stored_words_which_only_those_who_asked_are_shown(
    client: httpx.Client, hand: FakeWorker, job: str, complete: bool
) -> None:
    hand.claim()
    hand.freeze()
    hand.plan(1 if complete else 2)
    hand.commit_segments(0, UNEVEN)
    if complete:
        hand.complete()
    url = f"{JOBS}/{job}/transcript"
    texts = {name: client.get(url, params={"format": name}).text for name in ("elrc", "ass", "json", "verbose_json")}
    assert texts["elrc"].splitlines()[0] == f"[00:01.00]{WORD_TIMES}"
    assert "{\\k50}one{\\k150} two{\\k200} three" in texts["ass"]
    for name in ("srt", "vtt"):
        cues = client.get(url, params={"format": name, "max_words": 1}).text.replace(",", ".")
        assert [line[:12] for line in cues.splitlines() if "-->" in line] == [
            "00:00:01.000",
            "00:00:01.500",
            "00:00:03.000",
        ]
    assert '"words"' not in texts["json"] + texts["verbose_json"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("application/x-subrip", "application/x-subrip; charset=utf-8"),
        ("text/vtt, application/json;q=0.5", "text/vtt; charset=utf-8"),
        ("text/tab-separated-values", "text/tab-separated-values; charset=utf-8"),
        ("text/*", "text/plain; charset=utf-8"),
        ("text/html, */*;q=0.1", "application/json"),
    ],
)
def test_accept_chooses(shared: httpx.Client, shared_job: str, accept: str, media_type: str) -> None:
    answer = shared.get(f"{JOBS}/{shared_job}/transcript", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert "Accept" in answer.headers["vary"]


def test_a_format_overrides_accept_and_an_impossible_one_is_refused(client: httpx.Client, job: str) -> None:
    url = f"{JOBS}/{job}/transcript"
    answer = client.get(url, params={"format": "srt"}, headers={"accept": "image/png"})
    assert answer.headers["content-type"] == "application/x-subrip; charset=utf-8"
    refused = client.get(url, headers={"accept": "image/png"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (406, "not_acceptable")
    unknown = client.get(url, params={"format": "docx"})
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (422, "format")


def test_a_long_one_comes_whole(client: httpx.Client, hand: FakeWorker, job: str, api: Live) -> None:
    hand.finish_one(1000)
    lines = client.get(f"{JOBS}/{job}/transcript", params={"format": "txt"}).text.splitlines()
    assert lines == [f"word{number}" for number in range(1000)]
    segments = client.get(f"{JOBS}/{job}/transcript").json()["segments"]
    assert [round(segment["start"]) for segment in segments] == [number * 10 + 1 for number in range(1000)]


def test_a_failed_job_keeps_what_was_done(client: httpx.Client, hand: FakeWorker, job: str) -> None:
    hand.claim()
    hand.plan(2)
    hand.commit(0)
    hand.fail()
    answer = client.get(f"{JOBS}/{job}/transcript", params={"format": "txt"})
    assert (answer.text, answer.headers["x-transcript-complete"]) == ("word0\n", "false")


@pytest.mark.parametrize(
    ("name", "value"), [("max_lines", "0"), ("max_line_width", "wide"), ("max_words_per_line", "-1")]
)
def test_a_rule_that_cannot_be_is_refused_by_name(shared: httpx.Client, shared_job: str, name: str, value: str) -> None:
    answer = shared.get(f"{JOBS}/{shared_job}/transcript", params={"format": "srt", name: value})
    assert answer.status_code == 422
    assert name in answer.text
