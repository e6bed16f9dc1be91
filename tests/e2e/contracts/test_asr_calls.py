"""The contract of whisper-asr-webservice, as programs that make subtitles call it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import requests

from tests.audio_files import write_wav
from tests.e2e.contracts.spoken import cues, short, spoken_digits
from tests.needs import need
from tests.service import Service

ASR = "POST /asr"
DETECT = "POST /detect-language"


def shows(row: str, what: str) -> pytest.MarkDecorator:
    return pytest.mark.contract("asr", row, what)


@pytest.fixture(scope="module")
def one(digits: Service) -> Service:
    return digits


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return short(tmp_path_factory.mktemp("audio"), seed=3)


def send(one: Service, path: str, audio: bytes, name: str = "audio_file", **query: str) -> requests.Response:
    return requests.post(one.base + path, params=query, files={"audio_file": (name, audio)}, timeout=60)


@shows(ASR, "text by default, with the engine and a file name in its headers")
def test_text(one: Service, english: tuple[Path, str]) -> None:
    file, said = english
    answer = send(one, "/asr", file.read_bytes(), "a talk.mp3")
    assert (answer.status_code, answer.text) == (200, said + "\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["asr-engine"] == "faster_whisper"
    assert answer.headers["content-disposition"] == 'attachment; filename="a%20talk.mp3.txt"'


@shows(ASR, "`output` srt, vtt and tsv")
@pytest.mark.parametrize(
    ("output", "beginning"), [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n"), ("tsv", "start\tend\ttext\n")]
)
def test_outputs(one: Service, english: tuple[Path, str], output: str, beginning: str) -> None:
    file, said = english
    answer = send(one, "/asr", file.read_bytes(), output=output, language="en", video_file="/films/a.mkv")
    assert answer.text.startswith(beginning)
    assert said in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


@shows(ASR, "subtitles follow rules, made from the times of the words, where one is given by any of its names")
@pytest.mark.parametrize("output", ["srt", "vtt"])
def test_outputs_by_rule(one: Service, english: tuple[Path, str], output: str) -> None:
    file, said = english
    timed = json.loads(send(one, "/asr", file.read_bytes(), output="json", word_timestamps="true").text)
    starts = [word["start"] for segment in timed["segments"] for word in segment["words"]]

    def ruled(**rules: str) -> list[tuple[float, float, list[str]]]:
        return cues(send(one, "/asr", file.read_bytes(), output=output, **rules).text)

    assert len(ruled()) == len(timed["segments"])
    singly = ruled(max_words="1")
    assert [cue[0] for cue in singly] == starts
    assert ruled(max_words_per_line="1") == singly
    narrow = ruled(max_line_width="10", max_lines="1")
    assert all(len(lines) == 1 and len(lines[0]) <= 10 for _, _, lines in narrow)
    assert " ".join(lines[0] for _, _, lines in narrow) == said
    assert ruled(max_line_width="10", max_line_count="1") == narrow
    slow, quick = (ruled(max_words="2", max_chars_per_second=speed)[-1] for speed in ("1", "1000"))
    assert slow[1] - slow[0] > quick[1] - quick[0]


@shows(ASR, "`output=json` has language, segments and text; words with `word_timestamps`")
def test_json(one: Service, english: tuple[Path, str]) -> None:
    file, said = english
    plain = json.loads(send(one, "/asr", file.read_bytes(), output="json").text)
    assert set(plain) == {"language", "segments", "text"}
    assert (plain["language"], plain["text"]) == ("en", said)
    assert "words" not in plain["segments"][0]
    timed = json.loads(send(one, "/asr", file.read_bytes(), output="json", word_timestamps="true").text)
    words = [word for segment in timed["segments"] for word in segment["words"]]
    assert "".join(word["word"] for word in words).strip() == said
    assert set(words[0]) == {"word", "start", "end", "probability"}


@shows(ASR, "`encode=false` takes bare samples, 16 bits and 16 kHz")
def test_bare_samples(one: Service) -> None:
    spoken = spoken_digits(5, seed=4)
    answer = send(one, "/asr", spoken.samples.tobytes(), encode="false", task="transcribe", output="txt")
    assert answer.text == spoken.text + "\n"


@shows(ASR, "`task`, `language`, `initial_prompt`, `vad_filter` reach the job, with that service's defaults")
def test_options(one: Service, english: tuple[Path, str]) -> None:
    file, _ = english
    send(one, "/asr", file.read_bytes(), task="translate", language="german", initial_prompt="eins", vad_filter="true")
    options = one.get("/v1/transcriptions").json()["data"][0]["options"]
    asked = {name: options[name] for name in ("task", "language", "prompt", "vad_filter", "word_timestamps")}
    assert asked == {
        "task": "translate", "language": "de", "prompt": "eins", "vad_filter": True, "word_timestamps": False,
    }  # fmt: skip
    other = write_wav(one.folder / "other.wav", spoken_digits(5, seed=7).samples).read_bytes()
    send(one, "/asr", other, task="", language="", output="")
    options = one.get("/v1/transcriptions").json()["data"][0]["options"]
    assert (options["task"], options["language"], options["vad_filter"]) == ("transcribe", None, False)


@shows(ASR, "the same file with the same parameters is transcribed once")
def test_asked_again(one: Service) -> None:
    audio = write_wav(one.folder / "again.wav", spoken_digits(5, seed=5).samples).read_bytes()
    before = len(one.get("/v1/transcriptions?limit=200").json()["data"])
    texts = {send(one, "/asr", audio).text for _ in range(2)}
    assert len(texts) == 1
    assert len(one.get("/v1/transcriptions?limit=200").json()["data"]) == before + 1


@shows(ASR, "curl, as its documentation has it")
def test_curl(one: Service, english: tuple[Path, str]) -> None:
    file, said = english
    header = ("-H", "content-type: multipart/form-data")
    command = [need("curl"), "-sS", "-X", "POST", *header, "-F", f"audio_file=@{file}", f"{one.base}/asr?output=json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["text"] == said


@shows(DETECT, "the language, its code, and how sure it is; no job stays")
@pytest.mark.parametrize(("language", "name"), [("en", "english"), ("de", "german")])
def test_detect_language(one: Service, language: str, name: str) -> None:
    before = one.get("/v1/transcriptions?limit=200").json()["data"]
    samples = spoken_digits(5, seed=6, language=language).samples
    answer = send(one, "/detect-language", samples.tobytes(), encode="false").json()
    assert set(answer) == {"detected_language", "language_code", "confidence"}
    assert (answer["detected_language"], answer["language_code"]) == (name, language)
    assert 0.5 < answer["confidence"] <= 1
    assert one.get("/v1/transcriptions?limit=200").json()["data"] == before


@shows(DETECT, "of silence it cannot be told")
def test_detect_language_of_silence(one: Service) -> None:
    answer = send(one, "/detect-language", np.zeros(32_000, np.int16).tobytes(), encode="false").json()
    assert (answer["language_code"], answer["confidence"]) == ("und", 0.0)


@shows(ASR, 'errors are `{"detail": …}`, a list where a parameter is at fault')
@pytest.mark.parametrize(
    ("query", "audio", "status", "place"),
    [
        ({"output": "xml"}, b"x", 422, ["query", "output"]),
        ({"task": "sing"}, b"x", 422, ["query", "task"]),
        ({"language": "klingon"}, b"x", 422, ["query", "language"]),
        ({"output": "srt", "max_words": "0"}, b"x", 422, ["query", "max_words"]),
        ({}, b"", 400, None),
        ({}, b"this is text, and no sound", 422, None),
    ],
)
def test_errors(one: Service, query: dict[str, str], audio: bytes, status: int, place: list[str] | None) -> None:
    answer = send(one, "/asr", audio, **query)
    assert answer.status_code == status
    detail = answer.json()["detail"]
    if place is None:
        assert isinstance(detail, str)
    else:
        assert [error["loc"] for error in detail] == [place]


@shows(DETECT, "what is no sound, and a form without a file, are refused as by /asr")
@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
def test_no_file(one: Service, path: str) -> None:
    answer = requests.post(one.base + path, files={"file": ("a.wav", b"abc")}, timeout=60)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "audio_file"]
    assert send(one, path, b"this is text, and no sound").status_code == 422
