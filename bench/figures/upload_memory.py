"""The memory of a service during the upload of a gibibyte."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import httpx

from bench.figure import AT_MOST, Check, Goal, Line, Measured, Plot, Table
from bench.memory import private_memory, watched
from bench.room import Room
from tests.service import Service

NAME = "upload_memory"
TITLE = "Upload of 1 GiB: private memory over idle"
GOAL = Goal(AT_MOST, 32, "MiB")

_BLOCK = os.urandom(2**20)
_HEAD = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="long.mp3"\r\n\r\n'
_TAIL = b"\r\n--edge--\r\n"
_LOOK_S = 0.1

_NOTE = """The sum of the unique set sizes (USS) of the service and its children, looked at ten times a second from
the first byte to the answer, which comes once the file is synced to disk and its job is committed. The body is a form,
sent over loopback by a process of its own."""


def measure(room: Room) -> Measured:
    mebibytes = 128 if room.quick else 1024
    with room.service("service", max_upload=2 * 2**30) as service:
        assert service.process is not None
        upload(service, 1)  # memory that the first upload loads belongs to an idle service
        time.sleep(1)
        idle = private_memory(service.process.pid)
        with watched(service.process.pid, _LOOK_S) as samples:
            answer, seconds = upload(service, mebibytes)
        stored = service.rows("SELECT max(audio_size) FROM transcription_job")[0][0]
    idle_mib, peak = idle / 2**20, samples.peak / 2**20
    speed = mebibytes / seconds
    room.say(f"{mebibytes} MiB in {seconds:.1f} s ({speed:.0f} MiB/s): {idle_mib:.1f} MiB idle, {peak:.1f} MiB at most")
    step = max(1, len(samples.times) // 200)
    line = Line("service", tuple(samples.times[::step]), tuple(size / 2**20 for size in samples.sizes[::step]))
    return Measured(
        value=round(peak - idle_mib, 1),
        checks=(Check("every byte was stored", answer.status_code == 202 and stored == mebibytes * len(_BLOCK)),),
        details=Table(
            ("upload, MiB", "idle, MiB", "peak, MiB", "seconds", "MiB/s"),
            ((mebibytes, idle_mib, peak, seconds, speed),),
        ),
        plot=Plot("lines", "s", "private memory, MiB", (line,)),
        notes=(" ".join(_NOTE.split()),),
        reason="some part of the way holds more of the body than a block of it",
    )


def upload(service: Service, mebibytes: int) -> tuple[httpx.Response, float]:
    """Upload a form with this many MiB. Return the answer, and the seconds until it came."""

    def body() -> Iterator[bytes]:
        yield _HEAD
        for _ in range(mebibytes):
            yield _BLOCK
        yield _TAIL

    length = len(_HEAD) + mebibytes * len(_BLOCK) + len(_TAIL)
    headers = {"content-type": "multipart/form-data; boundary=edge", "content-length": str(length)}
    began = time.monotonic()
    answer = httpx.post(f"{service.base}/v1/transcriptions", content=body(), headers=headers, timeout=600)
    return answer, time.monotonic() - began
