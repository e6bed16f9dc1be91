"""`make demo-clients`: one service, and one client of each contract that goes all the way to the text.

A client of the native API, of the older systems (gateway, backend, path service), of OpenAI's audio API and of
whisper-asr-webservice: what they send, what they are answered, and what they end with. With the engine `sphinx`,
whose model ships in its wheel: nothing is downloaded.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from websockets.sync.client import ClientConnection, connect

from dictograph.samples import count_wav
from scripts.demo import (
    JOB_S,
    SHARE,
    Failure,
    check,
    check_processes_are_gone,
    run,
    service,
    stop,
    wait_until_ready,
    words_of,
)

_WORDS = "one two three four five six seven eight"
_NAME = "count.wav"

#: The addresses of the demo, each with the contract that comes first there.
_FIRST = ("", "gateway", "backend", "path")

#: The gateway's clients send a key. The demo's service has no keys, and so checks none.
_KEY = "any"

_SETTINGS = {
    "LISTEN": ",".join(f"{first}@127.0.0.1:0".removeprefix("@") for first in _FIRST),
    "ANONYMOUS": "gateway-read,backend,path",
}

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Stage:
    """The data that clients need: the address of each contract, and the bytes that they send."""

    http: httpx.Client
    addresses: Mapping[str, str]
    audio: bytes

    def file(self, field: str = "file") -> dict[str, tuple[str, bytes, str]]:
        """Return the audio as a part of a form."""
        return {field: (_NAME, self.audio, "audio/wav")}

    @contextmanager
    def socket(self, first: str, path: str) -> Iterator[ClientConnection]:
        address = self.addresses[first].replace("http:", "ws:")
        with connect(f"{address}{path}", open_timeout=JOB_S, max_size=2**20) as socket:
            yield socket


def main() -> int:
    count = len(_FLOWS)
    return run(demonstrate, f"{count} clients, {count} times the text, and nothing was left behind.")


def demonstrate(folder: Path) -> None:
    with service(folder, **_SETTINGS) as (_, process):
        addresses = addresses_of(folder / "service.log")
        with httpx.Client(base_url=addresses[""], timeout=JOB_S) as http:
            wait_until_ready(http, process)
            print(f"One service, and a file in which is said: {_WORDS}")
            stage = Stage(http, addresses, count_wav())
            for title, flow in _FLOWS.items():
                show(title, flow, stage)
        leave(process)


def addresses_of(log: Path) -> dict[str, str]:
    """Return the addresses that the service reports, by the contract that comes first there."""
    [line] = re.findall(r"Dictograph listens on (.+)", log.read_text(errors="replace"))
    found = re.findall(r"http://127\.0\.0\.1:\d+", line)
    if len(found) != len(_FIRST):
        raise Failure(f"the service should listen on {len(_FIRST)} addresses, and listens on {line}")
    return dict(zip(_FIRST, found, strict=True))


def show(title: str, flow: Callable[[Stage], str], stage: Stage) -> None:
    print(f"\n{title}")
    text = flow(stage)
    print(f"  text: {text.strip()}", flush=True)
    missing = words_of(_WORDS) - words_of(text)
    if len(missing) > (1 - SHARE) * len(words_of(_WORDS)):
        raise Failure(f"{', '.join(sorted(missing))} should have been heard")


def leave(process: Popen[bytes]) -> None:
    children = psutil.Process(process.pid).children(recursive=True)
    stop(process)
    check_processes_are_gone(children)


def native(stage: Stage) -> str:
    answer = told(stage.http.post("/v1/transcriptions", params={"wait": 60}, files=stage.file()))
    job = answer.json()
    said(f"status {job['status']}, {job['duration']} s of audio")
    return told(stage.http.get(job["links"]["transcript"], params={"format": "txt"})).text


def gateway(stage: Stage) -> str:
    base = stage.addresses["gateway"]
    answer = told(stage.http.post(f"{base}/upload", headers={"X-API-Key": _KEY}, files=stage.file()))
    with stage.socket("gateway", "/") as socket:
        socket.send(json.dumps({"type": "join", "request_id": answer.json()["request_id"]}))
        frame = frames_until(socket, lambda frame: frame["type"] in ("transcription_complete", "transcription_error"))
    if frame["type"] == "transcription_error":
        raise Failure(str(frame["error"]))
    said(f"prompts: {', '.join(frame['result']['prompts'])}")
    return str(frame["result"]["transcription"])


def backend(stage: Stage) -> str:
    base = stage.addresses["backend"]
    asked: dict[str, str | int] = {"filename": _NAME, "content_type": "audio/wav", "file_size": len(stage.audio)}
    url = told(stage.http.get(f"{base}/api/v1/audio/get_presigned_url", params=asked)).json()["url"]
    told(stage.http.put(url, content=stage.audio, headers={"content-type": "audio/wav"}))
    job = told(stage.http.post(f"{base}/api/v1/job/transcribe", json={"filename": _NAME, "url": url})).json()
    with stage.socket("backend", f"/api/v1/job/ws/{job['id']}") as socket:
        frame = frames_until(socket, lambda frame: frame.get("status") in ("completed", "failed"))
    if frame["status"] == "failed":
        raise Failure(str(frame["error"]))
    return str(frame["result"])


def path_service(stage: Stage) -> str:
    base = stage.addresses["path"]
    path = told(stage.http.post(f"{base}/upload", files=stage.file())).json()["path"]
    told(stage.http.post(f"{base}/transcribe", json={"path": path}))
    deadline = time.monotonic() + JOB_S
    while time.monotonic() < deadline:
        answer = stage.http.get(f"{base}/status", params={"path": path})
        check(answer, "The status cannot be read")
        if answer.json()["status"] != "processing":
            said(f"GET /status: {answer.json()['status']}")
            return str(answer.json().get("transcription", ""))
        time.sleep(_POLL_S)
    raise Failure("the job does not end")


def openai(stage: Stage) -> str:
    asked = {"model": "whisper-1", "response_format": "verbose_json"}
    answer = told(stage.http.post("/v1/audio/transcriptions", data=asked, files=stage.file())).json()
    said(f"language {answer['language']}, {len(answer['segments'])} segments")
    return str(answer["text"])


def asr(stage: Stage) -> str:
    return told(stage.http.post("/asr", params={"output": "txt"}, files=stage.file("audio_file"))).text


def told(answer: httpx.Response) -> httpx.Response:
    """Show a call and the status of its answer, if it succeeded."""
    request = answer.request
    check(answer, f"{request.method} {request.url.path} was refused")
    said(f"{request.method} {_shortened(str(request.url))}: {answer.status_code}")
    return answer


def said(line: str) -> None:
    print(f"  {line}", flush=True)


def frames_until(socket: ClientConnection, last: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Show the types of the received frames up to the last one. Return the last one."""
    while True:
        frame: dict[str, Any] = json.loads(socket.recv(JOB_S))
        said(f"frame {frame['type']} {frame.get('status', '')}".rstrip())
        if last(frame):
            return frame


def _shortened(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + ("?…" if parts.query else "")


_FLOWS: Mapping[str, Callable[[Stage], str]] = {
    "The native API": native,
    "The gateway: upload, WebSocket": gateway,
    "The backend: presigned upload, transcribe, WebSocket": backend,
    "The path service: upload, transcribe, status": path_service,
    "OpenAI's audio API": openai,
    "whisper-asr-webservice": asr,
}


if __name__ == "__main__":
    sys.exit(main())
