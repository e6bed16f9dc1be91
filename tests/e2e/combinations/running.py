"""An API and a worker, each a process of its own, on one of the combinations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.audio_files import write_wav
from tests.combinations import Servers
from tests.files import files_below
from tests.service import NO_TLS, Service, eventually
from tests.web_folder import served

#: The engine hears something in everything.
PLAIN = {"vad_filter": "false"}

#: So many jobs may wait at once.
MAX_QUEUED = 4


def make_audio(file: Path, seconds: int, seed: int) -> str:
    """Write noise, and return what the engine says of its first 20 s, or of all where it is shorter than 25 s."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(-9_000, 9_000, seconds * 16_000).astype(np.int16)
    write_wav(file, samples)
    return hashlib.sha256(samples.tobytes() + b"0.000").hexdigest()[:16]


class Running:
    """The two processes, and the audio of their tests."""

    def __init__(self, folder: Path, servers: Servers, site: str) -> None:
        self.folder = folder
        self.site = site
        self.short, self.long = folder / "site" / "short.wav", folder / "site" / "long.wav"
        self.text = make_audio(self.short, 8, 1)
        make_audio(self.long, 150, 2)
        self.s3 = servers.s3
        self.api = Service(
            folder,
            "api",
            fetch_allow=site.removeprefix("http://"),
            max_queued=MAX_QUEUED,
            concurrency=2,
            **servers.settings(),
        )
        self.worker = self.api.beside("worker", "worker")

    def start(self) -> None:
        """Start both; either may be first."""
        self.take(0)
        self.worker.start()
        self.api.start().wait_until_ready()

    def take(self, seconds: float) -> None:
        """Have the engine take so long for each window, from its next one on."""
        self.api.behave(delay=seconds, max_batch=1)

    def end(self) -> None:
        for one in (self.api, self.worker):
            if one.running:
                one.kill()

    def create(self, wait: int = 0, headers: dict[str, str] | None = None) -> httpx.Response:
        """Upload the short file."""
        with self.short.open("rb") as file:
            return self.api.post(
                "/v1/transcriptions",
                files={"file": ("short.wav", file)}, data=PLAIN, headers=headers, params={"wait": wait},
            )  # fmt: skip

    def events(self, job: str, after: int = 0) -> list[tuple[int, str]]:
        """Follow the job from an event to its end: numbers and types of those that are stored."""
        found: list[tuple[int, str]] = []
        number: int | None = None
        headers = {"Last-Event-ID": str(after)} if after else {}
        url = f"{self.api.base}/v1/transcriptions/{job}/events"
        with httpx.stream("GET", url, headers=headers, timeout=60, verify=NO_TLS) as answer:
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "event" and number is not None:
                    found.append((number, value))
                    number = None
        return found

    def stored(self, job: str) -> list[str]:
        """The objects of a job."""
        if self.s3 is None:
            return [path.name for path in files_below(self.api.data / "blobs") if path.parent.name == job]
        bucket = str(self.api.settings["storage_url"]).removeprefix("s3://").rstrip("/")
        found: list[dict[str, Any]] = self.s3.client().list_objects_v2(Bucket=bucket, Prefix=job).get("Contents", [])
        return [one["Key"] for one in found]

    def wait_for_text(self, job: str) -> str:
        """The transcript, once the job is completed."""
        done = self.api.wait_for(job)
        assert done["status"] == "completed", done
        return self.api.transcript(job, "txt").strip()

    def wait_until_it_runs(self, job: str) -> None:
        eventually(lambda: self.api.job(job)["seconds_done"] > 0, what=f"job {job} does not begin: {self.worker.log}")


@contextmanager
def running_on(folder: Path, servers: Servers) -> Iterator[Running]:
    """Both processes, up and ready, and gone afterwards whatever happens."""
    (folder / "site").mkdir()
    with served(folder / "site") as site:
        one = Running(folder, servers, site)
        try:
            one.start()
            yield one
        finally:
            one.end()
