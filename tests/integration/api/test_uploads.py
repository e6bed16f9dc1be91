"""Uploads: flat memory, limits while they arrive, and nothing left of those that fail."""

from __future__ import annotations

import hashlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from dictograph.api.server import response_middleware
from tests.integration.api.live import Live, live
from tests.needs import need
from tests.service import ROOT, eventually

JOBS = "/v1/transcriptions"
BOUNDARY = "frontier"
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"


def nothing_left(api: Live) -> bool:
    return api.files() == []


@pytest.mark.parametrize(
    ("form", "status", "code", "param"),
    [
        (part("language", b"de"), 422, "invalid_request", "file"),
        (part("file", b"x", "a.wav") * 2, 422, "invalid_request", "file"),
        (part("audio", b"x", "a.wav"), 422, "invalid_request", "file"),
        (part("file", b"x"), 422, "invalid_request", "file"),
        (part("file", b"", "a.wav"), 400, "empty_upload", "file"),
        (part("file", b"x", "a.wav") + part("bogus", b"1"), 422, "invalid_option", "bogus"),
        (part("bogus", b"1") + part("file", b"x", "a.wav"), 422, "invalid_option", "bogus"),
        (part("file", b"x", "a.wav") + part("beam_size", b"many"), 422, "invalid_option", "beam_size"),
        (part("file", b"x", "a.wav") + part("language", b"de") * 2, 422, "invalid_request", "language"),
        (part("file", b"x", "a.wav") + part("metadata", b"[1]"), 422, "invalid_request", "metadata"),
        (part("file", b"x", "a.wav") + part("metadata", b"{"), 400, "invalid_request", "metadata"),
        (part("file", b"x", "a.wav") + part("prompt", b"\xff"), 422, "invalid_request", "prompt"),
        (part("file", b"x", "a.wav") + part("model", b"huge"), 422, "model_not_allowed", "model"),
        (part("file", b"x", "a.wav") + part("prompt", b"x" * 70_000), 422, "invalid_request", "prompt"),
        (part("file", b"x", "a.wav") + part("", b"x") * 70, 422, "invalid_request", ""),
        (b"".join(part(f"f{n}", b"x") for n in range(70)), 422, "invalid_request", None),
        (b"no form at all", 400, "invalid_request", None),
    ],
)
def test_bad_forms_are_named_and_leave_nothing(
    shared_api: Live, shared: httpx.Client, form: bytes, status: int, code: str, param: str | None
) -> None:
    answer = shared.post(JOBS, content=form + f"--{BOUNDARY}--\r\n".encode(), headers=FORM)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("param")) == (status, code, param)
    assert nothing_left(shared_api)
    assert shared.get(JOBS).json()["data"] == []


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'x' * 71}"]
)
def test_a_form_without_a_boundary_is_refused(shared: httpx.Client, kind: str) -> None:
    assert shared.post(JOBS, content=HEAD + b"x" + TAIL, headers={"content-type": kind}).status_code == 400


def test_part_headers_are_limited(shared: httpx.Client) -> None:
    form = HEAD.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 9000 + b"\r\n\r\n") + b"x" + TAIL
    assert shared.post(JOBS, content=form, headers=FORM).status_code == 400


def test_a_form_that_ends_too_early_is_refused(api: Live, client: httpx.Client) -> None:
    answer = client.post(JOBS, content=HEAD + b"x" * 100_000, headers=FORM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "upload_incomplete")
    assert nothing_left(api)


def test_an_announced_upload_that_is_too_large_is_refused_before_a_byte_of_it(api: Live) -> None:
    with _connected(api) as raw:
        raw.sendall(_request_head(api, {"content-length": str(10**10)}))
        assert raw.recv(9000).startswith(b"HTTP/1.1 413")
    assert nothing_left(api)


def test_the_limit_is_told_while_the_upload_still_comes(api: Live) -> None:
    """1 MB is the limit here; the client announces nothing, and never comes to an end."""
    with _connected(api) as raw:
        raw.sendall(_request_head(api, {"transfer-encoding": "chunked"}) + _chunk(HEAD))
        for _ in range(40):
            raw.sendall(_chunk(b"x" * 30_000))
        answer = raw.recv(9000)
        while b"}" not in answer and (more := raw.recv(9000)):  # head and body may come apart
            answer += more
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"upload_too_large"' in answer
    assert b"connection: close" in answer.lower()
    eventually(lambda: nothing_left(api))


def test_an_upload_of_exactly_the_limit_is_taken(api: Live, client: httpx.Client) -> None:
    assert client.post(JOBS, files={"file": ("a.wav", b"x" * 1_000_000)}).status_code == 202
    assert client.post(JOBS, files={"file": ("a.wav", b"x" * 1_000_001)}).status_code == 413
    assert len(api.files()) == 1


@pytest.mark.parametrize("announced", [{"content-length": "900000"}, {"transfer-encoding": "chunked"}])
def test_an_upload_that_is_cut_leaves_nothing(api: Live, client: httpx.Client, announced: dict[str, str]) -> None:
    """Cut, or with a length that is more than what comes."""
    data = HEAD + b"x" * 500_000
    with _connected(api) as raw:
        raw.sendall(_request_head(api, {**announced, "idempotency-key": "cut"}))
        raw.sendall(_chunk(data) if "transfer-encoding" in announced else data)
        eventually(lambda: not nothing_left(api))
    eventually(lambda: nothing_left(api))
    assert client.get(JOBS).json()["data"] == []
    again = eventually(lambda: _posted_with_key(client, "cut"))
    assert again.status_code == 202, "the key is free again"


def test_an_upload_that_stops_coming_is_given_up(
    tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_middleware, "LINGER_S", 0.1)
    with live(tmp_path, migrated=migrated, upload_idle_timeout=0.2) as api, _connected(api) as raw:
        raw.sendall(_request_head(api, {"content-length": "900000"}) + HEAD + b"x" * 1000)
        answer = b""
        while data := raw.recv(9000):
            answer += data
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"request_timeout"' in answer
        assert nothing_left(api)


def test_curl_uploads(api: Live, tmp_path: Path) -> None:
    file = tmp_path / "tälk.wav"
    file.write_bytes(b"sound" * 50_000)
    command = [
        need("curl"),
        "-sS",
        "-F",
        f"file=@{file}",
        "-F",
        "language=en",
        f"{api.base}{JOBS}",
        "-w",
        "%{http_code}",
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert answer.endswith("202")
    assert '"filename":"tälk.wav"' in answer
    assert (api.settings.data_dir / "blobs" / api.files()[0]).read_bytes() == file.read_bytes()


def test_curl_hears_that_its_upload_is_too_large(api: Live, tmp_path: Path) -> None:
    file = tmp_path / "large.wav"
    with file.open("wb") as data:
        data.truncate(60_000_000)
    for more in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]):
        command = [need("curl"), "-sS", *more, "-F", f"file=@{file}", f"{api.base}{JOBS}", "-w", "%{http_code}"]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert "upload_too_large" in outcome.stdout, (more, outcome)


def test_memory_is_flat_however_large_the_upload(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.api.live", str(tmp_path), "max_upload=1GB"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        base = f"http://{process.stdout.readline().strip()}{JOBS}"
        assert httpx.post(base, files={"file": ("a.wav", b"x" * 1_000_000)}, timeout=30).status_code == 202
        before, most, digest = psutil.Process(process.pid).memory_info().rss, 0, hashlib.sha256()

        def form() -> Iterator[bytes]:
            nonlocal most
            block = bytes(range(256)) * 4096
            yield HEAD
            for number in range(200):
                digest.update(block)
                yield block
                if number % 10 == 0:
                    most = max(most, psutil.Process(process.pid).memory_info().rss)
            yield TAIL

        answer = httpx.post(base, content=form(), headers=FORM, timeout=60)
        assert answer.status_code == 202
        stored = (tmp_path / "data" / "blobs" / answer.json()["id"] / "0-audio").read_bytes()
        assert hashlib.sha256(stored).digest() == digest.digest()
        growth = (most - before) / 1e6
        print(f"200 MiB uploaded, the server grew by {growth:.1f} MB")
        assert growth < 40
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close() if process.stdout else None


def _connected(api: Live) -> socket.socket:
    host, _, port = api.base.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def _request_head(api: Live, headers: dict[str, str]) -> bytes:
    lines = [f"POST {JOBS} HTTP/1.1", f"host: {re.sub('^http://', '', api.base)}"]
    lines += [f"{name}: {value}" for name, value in {**FORM, **headers}.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _posted_with_key(client: httpx.Client, key: str) -> httpx.Response | None:
    answer = client.post(JOBS, files={"file": ("b.wav", b"y")}, headers={"idempotency-key": key})
    return None if answer.status_code == 409 else answer
