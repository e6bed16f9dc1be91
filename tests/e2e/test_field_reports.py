"""Kinds of recordings whose words were lost, each sent to a service with real Whisper: the words are there, or told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.words import compare
from tests import weights
from tests.field import silent, speech, tracks
from tests.recordings import librivox, recordings
from tests.service import Service, service

JFK_TEXT = "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country."


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    recordings()
    settings = {"engine": "whisper", "model": weights.base(), "extra_engines": ""}
    with service(tmp_path_factory.mktemp("whisper"), **settings) as running:
        yield running


def read(whisper: Service, file: Path, **options: object) -> tuple[list[str], dict[str, Any]]:
    """Return the words of a recording, in lower case, and its job."""
    job = whisper.submit(file, **{"language": "en", **options})
    ended = whisper.wait_for(job, 300)
    assert ended["status"] == "completed", ended
    text = whisper.transcript(job, "txt").lower()
    return "".join(char if char.isalnum() else " " for char in text).split(), ended


def codes(job: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in job["warnings"]}


@pytest.mark.parametrize("make", [speech.jfk_mp3, speech.jfk_mulaw], ids=["mp3", "telephone"])
def test_ask_not_is_not_turned_round(whisper: Service, make: Callable[[Path], Path], tmp_path: Path) -> None:
    words, _ = read(whisper, make(tmp_path))
    assert "ask not what your country" in " ".join(words)


def test_the_call_behind_the_hold_music_is_there(whisper: Service, tmp_path: Path) -> None:
    words, job = read(whisper, speech.call(tmp_path))
    assert {"selfish", "disposed", "amiable", "respectable"} <= set(words)
    assert job["covered_seconds"] > 0.9 * job["speech_seconds"] > 15


def test_the_speech_behind_an_intro_keeps_its_first_sentence(whisper: Service, tmp_path: Path) -> None:
    words, _ = read(whisper, speech.intro(tmp_path))
    assert "my fellow americans" in " ".join(words)


def test_short_answers_are_as_many_as_were_given(whisper: Service, tmp_path: Path) -> None:
    words, _ = read(whisper, speech.short_answers(tmp_path))
    assert len(words) == len(speech.ANSWERS), words


def test_a_sentence_said_nine_times_is_there_nine_times_or_told(whisper: Service, tmp_path: Path) -> None:
    words, job = read(whisper, speech.nine_times(tmp_path))
    assert words.count("himself") == 9 or "speech_without_words" in codes(job)


def test_quiet_speech_is_read_or_told(whisper: Service, tmp_path: Path) -> None:
    words, job = read(whisper, speech.quiet(tmp_path))
    assert "country" in words or codes(job) & {"speech_without_words", "no_words_found"}


@pytest.mark.parametrize("make", [silent.hold, silent.signals])
@pytest.mark.parametrize("vad_filter", [True, False])
def test_where_nobody_speaks_there_is_no_text(
    whisper: Service, make: Callable[[Path], Path], vad_filter: bool, tmp_path: Path
) -> None:
    words, job = read(whisper, make(tmp_path), vad_filter=str(vad_filter).lower(), prompt="Welcome to the hotline.")
    assert words == []
    assert codes(job) == {"no_words_found"}


def test_both_parties_of_a_call_on_two_channels_are_read_apart(whisper: Service, tmp_path: Path) -> None:
    job = whisper.submit(tracks.two_channels(tmp_path), language="en", channels="split")
    assert whisper.wait_for(job, 300)["status"] == "completed"
    segments = json.loads(whisper.transcript(job, "json"))["segments"]
    assert [one["start"] for one in segments] == sorted(one["start"] for one in segments)
    for channel, truth in ((1, JFK_TEXT), (2, " ".join(one.text for one in librivox()))):
        heard = " ".join(one["text"] for one in segments if one["channel"] == channel)
        assert compare("en", truth, heard).rate <= 10, heard


def test_what_is_said_in_another_language_is_told_with_its_times(whisper: Service, tmp_path: Path) -> None:
    """English, then French from 25 s on, then Spanish from 74 s on; a window that holds two is not always told."""
    _, job = read(whisper, speech.languages(tmp_path))
    told = {
        name: [(w["start"], w["end"]) for w in job["warnings"] if w["message"].startswith(f"{name} is spoken here")]
        for name in ("English", "French", "Spanish")
    }
    assert {w["code"] for w in job["warnings"]} == {"other_language"}
    assert told["English"] == []
    ((french, spanish),) = zip(told["French"], told["Spanish"], strict=True)
    assert french[0] < 40 < 60 < french[1] < 75
    assert 70 < spanish[0] < 100 < 110 < spanish[1]


def test_both_parties_of_a_call_with_two_tracks_are_read_apart(whisper: Service, tmp_path: Path) -> None:
    words, job = read(whisper, tracks.two_parties(tmp_path), track="each")
    assert {"country", "amiable"} <= set(words)
    assert "tracks_left_out" not in codes(job)
    first, told = read(whisper, tracks.two_parties(tmp_path))
    assert "country" in first
    assert "tracks_left_out" in codes(told)
