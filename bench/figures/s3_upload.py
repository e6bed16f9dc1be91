"""The upload of a gibibyte into a bucket, beside one into a folder."""

from __future__ import annotations

import io
import os
import time
from statistics import median
from typing import Any

from bench.figure import AT_LEAST, Check, Goal, Line, Measured, Plot, Table
from bench.figures.upload_memory import upload
from bench.memory import private_memory, watched
from bench.room import Room
from tests.s3 import S3Server, own_server

NAME = "s3_upload"
TITLE = "Upload of 1 GiB: MiB/s into S3 ÷ into a folder"
GOAL = Goal(AT_LEAST, 0.6)

_RUNS = 3
_MOST_MIB = 64
_LOOK_S = 0.1

_NOTE = f"""Over loopback, from a process of its own, through the native API into a folder and into a bucket of a real
S3 server on the same machine and disk, in turn; medians. The memory is that of the service over idle, as in the figure
of uploads into a folder; its goal is {_MOST_MIB} MiB at most. `upload_fileobj` of boto3 into the same server stands
beside it, for information: it has the bytes in its own memory, and no service in between."""


def measure(room: Room) -> Measured:
    mebibytes, runs = (128, 1) if room.quick else (1024, _RUNS)
    speeds: dict[str, list[float]] = {"folder": [], "S3": [], "boto3": []}
    grown = 0.0
    with own_server() as server:
        for number in range(runs):
            speeds["folder"].append(_upload(room, f"folder-{number}", mebibytes)[0])
            speed, over_idle = _upload(room, f"s3-{number}", mebibytes, **server.settings(server.new_bucket()))
            speeds["S3"].append(speed)
            grown = max(grown, over_idle)
            speeds["boto3"].append(_boto3(server, mebibytes))
    middle = {name: median(each) for name, each in speeds.items()}
    rows = tuple((name, middle[name], " ".join(f"{speed:.0f}" for speed in each)) for name, each in speeds.items())
    return Measured(
        value=middle["S3"] / middle["folder"],
        checks=(Check(f"private memory over idle at most {_MOST_MIB} MiB: {grown:.1f} MiB", grown <= _MOST_MIB),),
        details=Table(("into", "MiB/s, median", "MiB/s, each run"), rows),
        plot=Plot("bars", "", "MiB/s", (Line("median", tuple(middle), tuple(middle.values())),)),
        notes=(" ".join(_NOTE.split()),),
        reason="service, client and the bucket's server share the cores of one machine",
    )


def _upload(room: Room, name: str, mebibytes: int, **settings: Any) -> tuple[float, float]:
    """Return the speed in MiB/s, and the private memory over idle in MiB."""
    with room.service(name, max_upload=2 * 2**30, **settings) as service:
        assert service.process is not None
        upload(service, 1)
        time.sleep(1)
        idle = private_memory(service.process.pid)
        with watched(service.process.pid, _LOOK_S) as samples:
            answer, seconds = upload(service, mebibytes)
        assert answer.status_code == 202, answer.text
    speed, grown = mebibytes / seconds, (samples.peak - idle) / 2**20
    room.say(f"{name}: {speed:.0f} MiB/s, {grown:.1f} MiB over idle")
    return speed, grown


def _boto3(server: S3Server, mebibytes: int) -> float:
    client, bucket, data = server.client(), server.new_bucket(), os.urandom(2**20) * mebibytes
    client.create_bucket(Bucket=bucket)
    began = time.monotonic()
    client.upload_fileobj(io.BytesIO(data), bucket, "object")
    return mebibytes / (time.monotonic() - began)
