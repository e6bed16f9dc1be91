"""OpenAI's audio API with its own package and curl: every format, on a real Whisper that knows digits."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.e2e.contracts.spoken import cues, short
from tests.needs import need
from tests.service import Service

TRANSCRIPTIONS = "POST /v1/audio/transcriptions"
TRANSLATIONS = "POST /v1/audio/translations"
SEGMENT = {
    "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob",
}  # fmt: skip


def shows(row: str, what: str) -> pytest.MarkDecorator:
    return pytest.mark.contract("openai", row, what)


@pytest.fixture(scope="module")
def one(digits: Service) -> Service:
    return digits


@pytest.fixture(scope="module")
def client(one: Service) -> Iterator[OpenAI]:
    with OpenAI(api_key="sk-none", base_url=f"{one.base}/v1") as client:
        yield client


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return short(tmp_path_factory.mktemp("audio"), seed=1)


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return short(tmp_path_factory.mktemp("audio"), seed=2, language="de")


def curl(one: Service, path: str, *arguments: str) -> str:
    command = [need("curl"), "-sS", "--fail-with-body", f"{one.base}{path}", "-H", "Authorization: Bearer sk-none"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@shows(TRANSCRIPTIONS, "json is the text, and the seconds that were used; the answer has an x-request-id")
def test_json(client: OpenAI, english: tuple[Path, str]) -> None:
    file, said = english
    raw = client.audio.transcriptions.with_raw_response.create(model="whisper-1", file=file)
    assert raw.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{32}", raw.headers["x-request-id"])
    answer = raw.parse()
    assert answer.text == said
    assert answer._request_id == raw.headers["x-request-id"]
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert 2 < answer.usage.seconds < 10
    assert set(json.loads(raw.content)) == {"text", "usage"}


@shows(TRANSCRIPTIONS, "text is one line")
def test_text(client: OpenAI, english: tuple[Path, str]) -> None:
    file, said = english
    answer: Any = client.audio.transcriptions.create(model="whisper-1", file=file, response_format="text")
    assert answer == said + "\n"


@shows(TRANSCRIPTIONS, "srt and vtt are subtitles")
@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles(client: OpenAI, english: tuple[Path, str], kind: Any) -> None:
    file, said = english
    answer: Any = client.audio.transcriptions.create(model="whisper-1", file=file, response_format=kind)
    head, point = ("1", ",") if kind == "srt" else ("WEBVTT\n", ".")
    cue = rf"{head}\n00:00:0\d\{point}\d{{3}} --> 00:00:0\d\{point}\d{{3}}\n{said}\n+"
    assert re.fullmatch(cue, answer), answer


@shows(
    TRANSCRIPTIONS, "subtitles follow rules, made from the times of the words, where one is given by any of its names"
)
@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_by_rule(one: Service, client: OpenAI, english: tuple[Path, str], kind: str) -> None:
    file, said = english
    timed = client.audio.transcriptions.create(
        model="whisper-1", file=file, response_format="verbose_json", timestamp_granularities=["word"]
    )

    def ruled(**rules: object) -> list[tuple[float, float, list[str]]]:
        form = ["-F", f"file=@{file}", "-F", "model=whisper-1", "-F", f"response_format={kind}"]
        return cues(curl(one, "/v1/audio/transcriptions", *form, *(f"-F{name}={rules[name]}" for name in rules)))

    pairs = ruled(max_words=2)
    assert all(len(" ".join(lines).split()) <= 2 for _, _, lines in pairs)
    assert [cue[0] for cue in ruled(max_words=1)] == [word.start for word in timed.words or []]
    assert ruled(max_words_per_line=2) == pairs
    narrow = ruled(max_line_width=10, max_lines=1)
    assert all(len(lines) == 1 and len(lines[0]) <= 10 for _, _, lines in narrow)
    assert " ".join(lines[0] for _, _, lines in narrow) == said
    assert ruled(max_line_width=10, max_line_count=1) == narrow
    slow, quick = (ruled(max_words=2, max_chars_per_second=speed)[-1] for speed in (1, 1000))
    assert slow[1] - slow[0] > quick[1] - quick[0]


@shows(TRANSCRIPTIONS, "verbose_json has the language's name, and segments with all ten keys, none null")
def test_verbose_json(client: OpenAI, english: tuple[Path, str]) -> None:
    file, said = english
    raw = client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=file, response_format="verbose_json", temperature=0.0
    )
    shape = json.loads(raw.content)
    assert {"task", "language", "duration", "text", "segments"} <= set(shape)
    assert "words" not in shape
    assert (shape["task"], shape["language"], shape["text"]) == ("transcribe", "english", said)
    assert all(set(segment) == SEGMENT and None not in segment.values() for segment in shape["segments"])
    answer = raw.parse()
    assert answer.segments is not None
    assert "".join(segment.text for segment in answer.segments).strip() == said
    first = answer.segments[0]
    assert first.avg_logprob < 0 < first.compression_ratio
    assert 0 <= first.start < first.end <= answer.duration
    assert first.tokens


@shows(TRANSCRIPTIONS, "words stand at top level when they are asked for")
@pytest.mark.parametrize("asked", [["word"], ["word", "segment"]])
def test_words(client: OpenAI, english: tuple[Path, str], asked: list[Any]) -> None:
    file, said = english
    raw = client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=file, response_format="verbose_json", timestamp_granularities=asked
    )
    shape = json.loads(raw.content)
    assert " ".join(word["word"] for word in shape["words"]) == said
    assert all(set(word) == {"word", "start", "end"} for word in shape["words"])
    assert all(set(segment) == SEGMENT for segment in shape["segments"])
    times = [time for word in shape["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)


@shows(TRANSCRIPTIONS, "`stream` sends the text as it comes, and the whole of it at the end")
@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
def test_stream(client: OpenAI, english: tuple[Path, str], model: str) -> None:
    file, said = english
    events = list(client.audio.transcriptions.create(model=model, file=file, stream=True))
    *deltas, done = events
    assert [event.type for event in deltas] == ["transcript.text.delta"] * len(deltas)
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas if event.type == "transcript.text.delta") == done.text == said


@shows(TRANSCRIPTIONS, "formats that OpenAI does not stream are given whole")
def test_stream_of_subtitles_is_no_stream(one: Service, english: tuple[Path, str]) -> None:
    form = ("-F", f"file=@{english[0]}", "-F", "model=whisper-1", "-F", "stream=true", "-F", "response_format=srt")
    assert curl(one, "/v1/audio/transcriptions", *form).startswith("1\n00:00:")


@shows(TRANSCRIPTIONS, "the asynchronous client, several calls at once, and a stream")
def test_async(one: Service, english: tuple[Path, str], german: tuple[Path, str]) -> None:
    async def run() -> tuple[list[str], str]:
        async with AsyncOpenAI(api_key="sk-none", base_url=f"{one.base}/v1") as client:
            calls = [client.audio.transcriptions.create(model="whisper-1", file=f) for f, _ in (english, german)]
            texts = [answer.text for answer in await asyncio.gather(*calls)]
            stream = await client.audio.transcriptions.create(model="whisper-1", file=english[0], stream=True)
            async with stream:
                told = [event.delta async for event in stream if event.type == "transcript.text.delta"]
            return texts, "".join(told)

    texts, streamed = asyncio.run(run())
    assert texts == [english[1], german[1]]
    assert streamed == english[1]


@shows(TRANSCRIPTIONS, "`language` by code, by name or as a tag")
@pytest.mark.parametrize("language", ["de", "German", "de-AT"])
def test_language(client: OpenAI, german: tuple[Path, str], language: str) -> None:
    file, said = german
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=file, language=language, response_format="verbose_json"
    )
    assert (answer.text, answer.language) == (said, "german")


@shows(TRANSCRIPTIONS, "`prompt` of any length, of which the end counts; `temperature`; `keywords[]`; unknown fields")
def test_what_guides_the_engine(one: Service, client: OpenAI, english: tuple[Path, str]) -> None:
    client.audio.transcriptions.create(
        model="gpt-transcribe", file=english[0], prompt="zero " * 500 + "end", temperature=0.2, keywords=["one", "two"],
        extra_body={"who_knows": "what"},
    )  # fmt: skip
    options = one.get("/v1/transcriptions").json()["data"][0]["options"]
    assert options["prompt"].endswith("zero zero end")
    assert (len(options["prompt"]), options["temperature"], options["hotwords"]) == (2000, 0.2, "one two")


@shows(TRANSCRIPTIONS, "`chunking_strategy` as text, as JSON and as the package writes an object")
def test_chunking_strategy(one: Service, client: OpenAI, english: tuple[Path, str]) -> None:
    file, said = english
    vad: Any = {"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 300, "prefix_padding_ms": 100}
    for given in ("auto", vad):
        answer = client.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=file, chunking_strategy=given)
        assert answer.text == said
    form = ("-F", f"file=@{file}", "-F", "model=whisper-1", "-F", f"chunking_strategy={json.dumps(vad)}")
    assert json.loads(curl(one, "/v1/audio/transcriptions", *form))["text"] == said
    newest = one.get("/v1/transcriptions").json()["data"][0]["options"]
    assert (newest["vad_threshold"], newest["vad_min_silence_duration_ms"], newest["vad_speech_pad_ms"]) == (
        0.4,
        300,
        100,
    )


@shows(TRANSCRIPTIONS, "curl, with the file first or last")
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_curl(one: Service, english: tuple[Path, str], first: bool) -> None:
    file, said = english
    form = [("-F", "model=whisper-1"), ("-F", "response_format=text")]
    form.insert(0 if first else 2, ("-F", f"file=@{file}"))
    assert curl(one, "/v1/audio/transcriptions", *(part for pair in form for part in pair)) == said + "\n"


@shows(TRANSLATIONS, "English of any language; its language is always `english`")
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_translations(one: Service, client: OpenAI, german: tuple[Path, str]) -> None:
    file, _ = german
    raw = client.audio.translations.with_raw_response.create(model="whisper-1", file=file)
    assert set(json.loads(raw.content)) == {"text"}
    verbose = client.audio.translations.with_raw_response.create(
        model="whisper-1", file=file, response_format="verbose_json"
    )
    shape = json.loads(verbose.content)
    assert (shape["task"], shape["language"]) == ("translate", "english")
    assert all(set(segment) == SEGMENT for segment in shape["segments"])
    assert shape["segments"]
    for kind, beginning in (("text", ""), ("srt", "1\n"), ("vtt", "WEBVTT")):
        form = ("-F", f"file=@{file}", "-F", "model=whisper-1", "-F", f"response_format={kind}")
        assert curl(one, "/v1/audio/translations", *form).startswith(beginning)
    assert one.get("/v1/transcriptions").json()["data"][0]["options"]["task"] == "translate"


@shows("GET /v1/models", "the models that can be asked for, as OpenAI's and as native clients know them")
def test_models(one: Service, client: OpenAI, english: tuple[Path, str]) -> None:
    models = list(client.models.list())
    assert {(type(model.id), type(model.created), model.object) for model in models} == {(str, int, "model")}
    native = one.get("/v1/models").json()
    assert native["object"] == "list"
    default = next(model for model in native["data"] if model["default"])
    assert {"engine", "state", "progress", "reason", "languages", "owned_by"} <= set(default)
    assert client.models.retrieve(default["id"]).id == default["id"]
    answer = client.audio.transcriptions.create(model=default["id"], file=english[0])
    assert answer.text == english[1]


@shows("GET /v1/models/{model_id:path}", "one model, by its name or by one of OpenAI's")
@pytest.mark.parametrize("name", ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe-2025-12-15"])
def test_names_of_openai(client: OpenAI, name: str) -> None:
    model = client.models.retrieve(name)
    assert (model.id, model.object, model.owned_by) == (name, "model", "dictograph")
