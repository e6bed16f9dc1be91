"""Calls that take long, clients that lose their answer and come again, and what all of them cost: one transcription."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.e2e.contracts.spoken import long, short
from tests.files import files_below
from tests.needs import need
from tests.service import Service, eventually, service

TRANSCRIPTIONS = "POST /v1/audio/transcriptions"
PATH = "/v1/audio/transcriptions"
FORM = {"model": "whisper-1"}


def shows(row: str, what: str) -> pytest.MarkDecorator:
    return pytest.mark.contract("openai", row, what)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("openai"), openai_keep_alive="200ms") as one:
        yield one.wait_until_ready()


@pytest.fixture
def one(running: Service) -> Iterator[Service]:
    running.behave()
    yield running
    running.behave()


def call(base: str, file: Any, client: dict[str, Any] | None = None, **fields: Any) -> Any:
    """Transcribe with OpenAI's package; `client` is how it is made."""
    with OpenAI(api_key="sk-none", base_url=f"{base}/v1", **(client or {})) as made:
        return made.audio.transcriptions.create(model="whisper-1", file=file, **fields)


def events_of(base: str, file: Path) -> Iterator[Any]:
    with OpenAI(api_key="sk-none", base_url=f"{base}/v1") as client:
        yield from client.audio.transcriptions.create(model="whisper-1", file=file, stream=True)


def jobs(one: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = one.get("/v1/transcriptions?limit=200").json()["data"]
    return found


def send(one: Service, audio: Path, **fields: Any) -> httpx.Response:
    return one.post(PATH, data={**FORM, **fields}, files={"file": (audio.name, audio.read_bytes())})


@contextmanager
def arriving(one: Service, audio: Path, **fields: str) -> Iterator[Iterator[bytes]]:
    """A call, and the pieces of its answer as they arrive."""
    form = {**FORM, **fields}
    with httpx.stream("POST", one.base + PATH, data=form, files={"file": audio.read_bytes()}, timeout=30) as answer:
        assert answer.status_code == 200
        yield answer.iter_raw()


@shows(TRANSCRIPTIONS, "a long call gets its headers and then spaces, so that it stays alive; then the JSON")
@pytest.mark.parametrize("kind", ["json", "verbose_json"])
def test_a_long_call_stays_alive(one: Service, tmp_path: Path, kind: str) -> None:
    audio, _ = short(tmp_path, seed=40 + len(kind))
    one.behave(delay=0.8)
    with arriving(one, audio, response_format=kind) as pieces:
        began = time.monotonic()
        first = next(pieces)
        assert time.monotonic() - began < 1
        rest = b"".join(pieces)
    assert first == b" "
    assert rest.startswith(b" ")
    assert rest.lstrip(b" ").startswith(b'{"')
    assert call(one.base, audio).text


@shows(TRANSCRIPTIONS, "nothing is sent before text, srt and vtt, where white space would count")
def test_text_comes_at_once(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=21)
    one.behave(delay=0.8)
    answer = send(one, audio, response_format="text")
    assert answer.elapsed.total_seconds() > 0.8
    assert not answer.text[0].isspace()


@shows(TRANSCRIPTIONS, "a failure after the headers cuts the body, so that no client takes it for an answer")
def test_a_failure_breaks_the_body(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=22)
    text = send(one, audio).json()["text"]
    one.behave(delay=0.6, raise_on=text.split())
    with arriving(one, audio, prompt="again") as pieces:
        assert next(pieces) == b" "
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    assert "engine_failed" in one.words_of_log()


@shows(TRANSCRIPTIONS, "who loses the answer to a file that is no audio, and asks again, hears why at once")
def test_the_reason_is_heard_by_who_comes_again(one: Service) -> None:
    for _ in range(2):
        with pytest.raises(openai.BadRequestError):
            call(one.base, ("a.mp3", b"no sound, but text of its own"))
    assert [job["error"]["code"] for job in jobs(one)[:2]].count("unsupported_format") == 1


@shows(TRANSCRIPTIONS, "equal calls at once make one job, and all get its text")
def test_equal_calls_at_once(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=23)
    before = len(jobs(one))
    one.behave(delay=0.5)
    with ThreadPoolExecutor(6) as pool:
        formats = ["json", "json", "json", "verbose_json", "json", "json"]
        answers = list(pool.map(lambda kind: send(one, audio, response_format=kind), formats))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.json()["text"] for answer in answers}) == 1
    assert len(jobs(one)) == before + 1
    kept = [path for path in files_below(one.data) if path.name.endswith("-audio")]
    assert len(kept) == len([job for job in jobs(one) if job["status"] != "deleted"])


@shows(TRANSCRIPTIONS, "a client that goes away leaves the job running, and joins it when it comes again")
def test_a_client_that_goes_and_comes_again(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=24)
    before = len(jobs(one))
    one.behave(delay=4.0)  # so that the job is there when the client gives up, and has not ended yet
    with pytest.raises(openai.APITimeoutError):
        call(one.base, audio, {"max_retries": 0}, response_format="text", timeout=2.0)
    assert jobs(one)[0]["status"] in ("pending", "processing")
    assert call(one.base, audio, {"max_retries": 0}).text
    assert [job["status"] for job in jobs(one)[: len(jobs(one)) - before]] == ["completed"]


@shows(TRANSCRIPTIONS, "the package's own retries, after its timeout, join the job in flight")
def test_the_package_tries_again(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=25)
    before, windows = len(jobs(one)), len(one.engine_log())
    one.behave(delay=1.4)
    answer = call(one.base, audio, {"timeout": 0.6, "max_retries": 5}, response_format="text")
    assert answer.strip()
    assert len(jobs(one)) == before + 1
    assert len(one.engine_log()) == windows + 1


@shows(TRANSCRIPTIONS, "the package's retry, after its connection was cut in the middle of an answer, joins the job")
def test_a_connection_that_breaks(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=26)
    before, windows = len(jobs(one)), len(one.engine_log())
    one.behave(delay=0.9)
    with breaking(one) as (base, connections):
        answer = call(base, audio)
    assert len(connections) >= 2
    assert answer.text == " ".join(one.engine_log()[windows:])
    assert len(jobs(one)) == before + 1


@shows(TRANSCRIPTIONS, "a service that is stopped in the middle of an answer and comes back transcribes once")
@shows(TRANSCRIPTIONS, "who has got no headers yet gets 503 then, with `Retry-After`")
def test_a_service_that_breaks_the_answer(tmp_path: Path) -> None:
    audio = long(tmp_path, seed=27, windows=3)
    with service(tmp_path, listen=f"127.0.0.1:{free_port()}", openai_keep_alive="200ms", concurrency=1) as one:
        one.wait_until_ready().behave(delay=0.7, max_batch=1)
        with ThreadPoolExecutor(2) as pool:
            answer = pool.submit(call, one.base, audio, {"max_retries": 8})
            refused = pool.submit(call, one.base, audio, {"max_retries": 0}, response_format="text")
            eventually(lambda: any(job["seconds_done"] for job in jobs(one)))
            one.stop()
            one.behave()
            one.start().wait_until_up()
            windows = answer.result(60).text.split()
            error = refused.exception(60)
        assert isinstance(error, openai.InternalServerError)
        assert (error.status_code, error.code, error.response.headers["retry-after"]) == (503, "server_busy", "5")
        assert len(jobs(one)) == 1
        assert [window for window in one.engine_log() if window in windows] == windows
        assert len(windows) >= 3


@shows(TRANSCRIPTIONS, "a job that is done is joined for an hour, if doing it again would give the same")
def test_what_is_joined_and_what_is_not(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=28)
    other, _ = short(tmp_path, seed=29)

    def made(file: Path, **fields: Any) -> int:
        before = len(jobs(one))
        assert send(one, file, **fields).status_code == 200
        return len(jobs(one)) - before

    assert made(audio) == 1
    assert made(audio) == 0
    assert made(audio, response_format="srt", model="gpt-4o-transcribe") == 0
    assert made(audio, language="en") == 1
    assert made(audio, prompt="else") == 1
    assert made(other) == 1
    assert made(audio, temperature="0.5") == 1
    assert made(audio, temperature="0.5") == 1  # sampled: another one each time


@shows(TRANSCRIPTIONS, "an `Idempotency-Key` is heeded as by the native API")
def test_idempotency_key(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=34)
    before = len(jobs(one))
    key, form = {"idempotency-key": "mine"}, {**FORM, "temperature": "0.5"}
    answers = [one.post(PATH, data=form, files={"file": audio.read_bytes()}, headers=key) for _ in range(2)]
    assert len({answer.json()["text"] for answer in answers}) == 1
    assert len(jobs(one)) == before + 1
    other = one.post(PATH, data={**form, "prompt": "else"}, files={"file": audio.read_bytes()}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (400, "idempotency_mismatch")


@shows(TRANSCRIPTIONS, "a job that failed for a reason that may pass is not joined, but done again")
def test_what_failed_is_done_again(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=30)
    text = send(one, audio, prompt="1").json()["text"]
    one.behave(raise_on=text.split())
    assert send(one, audio, response_format="text").status_code == 500
    one.behave()
    assert send(one, audio).json()["text"] == text


@shows(TRANSCRIPTIONS, "the deltas of a stream come while windows are committed, in order, and add up to the text")
def test_a_stream_comes_bit_by_bit(one: Service, tmp_path: Path) -> None:
    audio = long(tmp_path, seed=31, windows=6)
    one.behave(delay=1.5)
    deltas, times, states = [], [], []
    for event in events_of(one.base, audio):
        if event.type == "transcript.text.delta":
            deltas.append(event.delta)
            times.append(time.monotonic())
            states.append(jobs(one)[0]["status"])
        else:
            assert event.type == "transcript.text.done"
            assert event.text == "".join(deltas)
    assert len(deltas) >= 6
    assert states[0] == "processing"
    assert times[-1] - times[0] > 0.4
    assert call(one.base, audio).text == "".join(deltas)


@shows(TRANSCRIPTIONS, "a stream without news has comments in it, and curl shows its events")
def test_a_stream_stays_alive(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=32)
    one.behave(delay=0.8)
    form = ["-F", f"file=@{audio}", "-F", "model=whisper-1", "-F", "stream=true"]
    done = subprocess.run(
        [need("curl"), "-sSN", one.base + PATH, *form], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [line for line in done.stdout.splitlines() if line]
    assert lines.count(": alive") >= 2
    events = [line for line in lines if line.startswith("event: ")]
    assert events == ["event: transcript.text.delta", "event: transcript.text.done"]


@shows(TRANSCRIPTIONS, "a stream, too, joins the job in flight")
def test_a_stream_joins(one: Service, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=33)
    before = len(jobs(one))
    one.behave(delay=0.7)
    with arriving(one, audio) as pieces:
        next(pieces)
        events = list(events_of(one.base, audio))
    assert events[-1].type == "transcript.text.done"
    assert len(jobs(one)) == before + 1


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def breaking(one: Service) -> Iterator[tuple[str, list[int]]]:
    """A way to the service that cuts its first connection as soon as an answer begins."""
    target = ("127.0.0.1", int(one.base.rpartition(":")[2]))
    connections: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    here, _ = server.accept()
                except OSError:
                    return
                connections.append(1)
                there = socket.create_connection(target)
                Thread(target=_copy, args=(here, there, False), daemon=True).start()
                Thread(target=_copy, args=(there, here, len(connections) == 1), daemon=True).start()

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", connections
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _copy(source: socket.socket, target: socket.socket, cut: bool) -> None:
    with source, target:
        while data := _received(source):
            try:
                target.sendall(data)
            except OSError:
                return
            if cut and b"\r\n\r\n" in data:
                source.shutdown(socket.SHUT_RDWR)
                target.shutdown(socket.SHUT_RDWR)
                return


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""
