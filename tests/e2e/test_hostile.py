"""A real service under attack: files, requests and connections made to hurt it. It goes on, and gives nothing away."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import socket
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.audio_files import write_noise
from tests.files import files_below
from tests.hostile.tripwire import tripwire
from tests.service import Service, eventually, service

SECRET = "the-secret-of-this-machine"


def playlists(secret: Path, address: str) -> Iterator[bytes]:
    """Files that make a player open other files or addresses."""
    for target in (str(secret), f"file://{secret}", f"concat:{secret}", f"http://{address}/", f"tcp://{address}"):
        yield f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n".encode()
        yield f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:9,\n{target}\n'.encode()
        yield f"ffconcat version 1.0\nfile '{target}'\n".encode()
    url = f"http://{address}/"
    yield f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 {address}\nm=audio 9 RTP/AVP 0\n".encode()
    yield f"<?xml version='1.0'?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>".encode()
    yield f"[Reference]\nRef1={url}\n".encode()
    yield f"[playlist]\nFile1={url}\n".encode()
    # …and some of them dressed up as audio.
    disguised = f"#EXTM3U\n#EXTINF:9,\n{url}\n".encode()
    yield b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + disguised
    yield b"RIFF\xff\xff\xff\xffWAVE" + disguised
    yield b"\xef\xbb\xbf" + disguised


def broken_files() -> Iterator[bytes]:
    """Files that lie about what they hold."""
    yield b"\0"
    yield bytes(100_000)
    yield random.Random(1).randbytes(100_000)
    yield wave(channels=255)
    yield wave(channels=0)
    yield wave(rate=0)
    yield wave(rate=2**32 - 1)
    yield b"\x1aE\xdf\xa3" + b"\xff" * 1000
    movie = b"\0\0\0\x10ftypisom\0\0\2\0"
    for _ in range(500):
        movie += struct.pack(">I", 2**31 - 1) + b"moov"
    yield movie


def wave(channels: int = 1, rate: int = 16_000) -> bytes:
    data = bytes(2 * 255 * 100)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2 % 2**32, channels * 2, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def test_no_file_makes_it_read_another_or_call_anybody(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    with tripwire() as (address, calls), service(tmp_path) as one:
        jobs = []
        for number, content in enumerate([*playlists(secret, address), *broken_files()]):
            name = ("../" * 20 + "etc/passwd", "a\u202e3pm.exe", "n" * 4_000 + ".mp3", "talk.wav")[number % 4]
            answer = one.post("/v1/transcriptions", files={"file": (name, content)})
            assert answer.status_code == 202, answer.text
            jobs.append(answer.json()["id"])
        for job_id in jobs:
            job = one.wait_for(job_id)
            assert job["status"] == "failed"
            assert job["error"]["code"] in ("unsupported_format", "corrupt_audio"), job["error"]
            assert job["attempt"] == 1, "what is wrong with the file is wrong the next time too"
            assert len(job["filename"]) <= 255
            assert not set("/\u202e") & set(job["filename"])
            assert SECRET not in json.dumps(job) + one.get(f"/v1/transcriptions/{job_id}/events").text
        assert not calls
        audio = write_noise(tmp_path / "good.wav", 3, seed=1)
        assert one.wait_for(one.submit(audio))["status"] == "completed"
        nothing_is_left(one)


FORM = "POST /v1/transcriptions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: "
ABUSES = [
    b"\x16\x03\x01\x02\0\x01\0\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n",
    b"GET /v1/transcriptions/%00%ff/transcript HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    b"GET /v1/transcriptions?cursor=%ff&limit=9e9 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    b"DELETE /v1/transcriptions/x HTTP/1.1\r\nhost: localhost\r\norigin: null\r\nconnection: close\r\n\r\n",
    f"{FORM}multipart/form-data\r\ncontent-length: 2\r\n\r\nab".encode(),
    f"{FORM}multipart/form-data; boundary={'b' * 71}\r\ncontent-length: 2\r\n\r\nab".encode(),
    f"{FORM}multipart/form-data; boundary*=x\r\ncontent-length: 2\r\n\r\nab".encode(),
    f"{FORM}multipart/form-data; boundary=x\r\ncontent-length: 9\r\n\r\n--x\r\nA\0:b".encode(),
    f"{FORM}multipart/form-data; boundary=x\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n".encode(),
    f"{FORM}application/json\r\ncontent-length: 60000\r\n\r\n{'[' * 60000}".encode(),
    f'{FORM}application/json\r\ncontent-length: 20\r\n\r\n{{"url":"\\ud800","a":1'.encode(),
    f"{FORM}application/json\r\ncontent-length: -5\r\n\r\n".encode(),
    f"{FORM}application/json\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef".encode(),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("hostile")) as one:
        yield one


@pytest.mark.parametrize("abuse", ABUSES, ids=lambda abuse: repr(abuse[:20]))
def test_abuse_of_http_is_refused_in_the_one_shape(shared: Service, abuse: bytes) -> None:
    with connected(shared) as raw:
        raw.sendall(abuse)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while more := raw.recv(65536):
                answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4"), answer[:200]
    assert set(json.loads(body)["error"]) >= {"code", "message"}
    assert b"Traceback" not in answer


def test_everybody_does_everything_to_every_job_at_once(shared: Service, tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 4, seed=2).read_bytes()
    base, ids = shared.base, [shared.submit(tmp_path / "a.wav")]

    def play(seed: int) -> set[int]:
        """Does forty things; returns the codes of the answers."""
        chance, codes = random.Random(seed), set()
        with httpx.Client(base_url=base, timeout=30) as client:
            for _ in range(40):
                one = f"/v1/transcriptions/{chance.choice(ids)}"
                match chance.choice(("add", "cancel", "retry", "retry", "delete", "text", "hear")):
                    case "add":
                        answer = client.post("/v1/transcriptions", files={"file": ("a.wav", audio)})
                        ids.append(answer.json()["id"])
                    case "delete":
                        answer = client.delete(one)
                    case "text":
                        answer = client.get(f"{one}/transcript", params={"format": chance.choice(("srt", "json"))})
                    case "hear":
                        with client.stream("GET", f"{one}/events") as answer:
                            next(answer.iter_bytes(), b"")
                    case verb:
                        answer = client.post(f"{one}/{verb}")
                codes.add(answer.status_code)
        return codes

    with ThreadPoolExecutor(8) as players:
        codes = set.union(*players.map(play, range(8)))
    assert codes <= {200, 202, 204, 404, 409}
    eventually(lambda: shared.rows("SELECT count(*) FROM transcription_job WHERE finished_at IS NULL") == [(0,)])
    assert shared.rows("SELECT job_id FROM events GROUP BY job_id HAVING count(*) <> max(seq)") == []
    ends = "SELECT count(*) FROM transcription_job j JOIN events e ON e.job_id = j.id AND e.seq = j.last_seq"
    assert shared.rows(f"{ends} WHERE lower(j.status) <> e.type") == [(0,)]
    nothing_is_left(shared)


@pytest.mark.skipif(sys.platform != "linux", reason="another process's limits can be set on Linux only")
def test_taking_all_descriptors_ends_neither_the_service_nor_its_jobs(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 3, seed=3)
    # The engine is unloaded when idle: it has to be started anew when there is nothing left to start it with.
    with service(tmp_path, engine_idle="100ms") as one, contextlib.ExitStack() as held:
        assert one.process is not None
        assert one.wait_for(one.submit(audio))["status"] == "completed"
        job_id = one.submit(audio)
        process = psutil.Process(one.process.pid)
        allowed = process.num_fds() + 8
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (allowed, hard))
        for _ in range(40):
            held.enter_context(connected(one)).sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: ")
        eventually(lambda: process.num_fds() >= allowed - 1, what="descriptors left")
        eventually(lambda: "Too many open files" in one.words_of_log() or _has_ended(one, job_id))
        assert one.running
        held.close()
        eventually(lambda: _health(one) == 200)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        one.wait_for(job_id)
        assert one.wait_for(one.submit(audio))["status"] == "completed"
        assert one.stop() == 0


def _has_ended(one: Service, job_id: str) -> bool:
    return one.rows("SELECT finished_at IS NOT NULL FROM transcription_job WHERE id = ?", job_id) == [(1,)]


def _health(one: Service) -> int | None:
    try:
        return one.get("/health").status_code
    except httpx.TransportError:
        return None


def connected(one: Service) -> socket.socket:
    where = urlsplit(one.base)
    assert where.hostname is not None
    return socket.create_connection((where.hostname, where.port or 80), timeout=20)


def nothing_is_left(one: Service) -> None:
    """Every stored object has a job that names it, and no attempt has left its samples."""
    named = {name for (name,) in one.rows("SELECT audio_name FROM transcription_job WHERE audio_name IS NOT NULL")}

    def stored() -> set[str]:
        return {str(path.relative_to(one.data / "blobs")) for path in files_below(one.data / "blobs")}

    eventually(lambda: stored() == named, 10, "stored objects that no job names")
    eventually(
        lambda: not [path for path in files_below(one.data / "scratch") if path.suffix == ".pcm"],
        10, "samples that nobody wants",
    )  # fmt: skip
