"""Clients that send jobs, repeat what was cut off under its key, and remember what they were promised."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx

from dictograph.runtime.crash import Point
from tests.service import NO_TLS

#: One in so many requests is sent once more after its answer, as by a client that forgot that it had one.
AGAIN = 10

#: One in so many uploads is a large one, while those are wanted.
LARGE = 6

_OPTIONS = {"vad_filter": "false"}


class Clients:
    """Threads that send one request after the other, while `room()` is true. `promised` has the file of each job,
    `native` are those that came in by the native API.

    `large` is a file of several parts, sent now and then while the place that it leads to is `wanted`. With `addresses`
    some files are uploaded past the service, to an address that it gives; more of them while their place is wanted.
    """

    def __init__(
        self,
        url: str,
        audio: Sequence[Path],
        room: Callable[[], bool],
        seed: int,
        *,
        large: Path | None = None,
        wanted: Callable[[Point], bool] = lambda _: False,
        addresses: bool = False,
        threads: int = 3,
    ) -> None:
        self.promised: dict[str, Path] = {}
        self.native: list[str] = []
        self.repeated = 0
        self.broken_promises: list[str] = []
        self._url = url
        self._audio = audio
        self._room = room
        self._large = large
        self._wanted = wanted
        self._addresses = addresses
        self._finishing = threading.Event()
        self._giving_up = threading.Event()
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed + number),), daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Raise what a thread has died of, if one has."""
        if self._failure is not None:
            raise self._failure

    def finish(self) -> None:
        """Wait until every request that was begun has its answer; no other is begun."""
        self._finishing.set()
        for thread in self._threads:
            thread.join(120)
        self.check()
        assert not any(thread.is_alive() for thread in self._threads), "a request gets no answer"

    def give_up(self) -> None:
        """Ask no more."""
        self._finishing.set()
        self._giving_up.set()

    def _run(self, rng: random.Random) -> None:
        try:
            with httpx.Client(base_url=self._url, timeout=60, verify=NO_TLS) as client:
                while not self._finishing.is_set():
                    if self._room():
                        self._send(client, rng)
                    else:
                        time.sleep(0.05)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is asked for
            self._failure = error

    def _send(self, client: httpx.Client, rng: random.Random) -> None:
        """One job, in one of the ways there are, until there is an answer."""
        file, send, native = self._way(client, rng)
        job = self._answer(send)
        if job is None:
            return
        with self._lock:
            self.promised[job] = file
            if native:
                self.native.append(job)
        if rng.randrange(AGAIN) == 0:
            again = self._answer(send)
            if again not in (None, job):
                self.broken_promises.append(f"{job} and {again} have one key")

    def _way(self, client: httpx.Client, rng: random.Random) -> tuple[Path, Callable[[], httpx.Response], bool]:
        """A file, the request that makes a job of it (by upload, path or address), and whether that is native."""
        key = {"Idempotency-Key": uuid4().hex}
        if self._large is not None and self._wanted(Point.PART_UPLOADED) and rng.randrange(LARGE) == 0:
            large = self._large
            return large, lambda: _upload(client, large, key), True
        file, way = rng.choice(self._audio), rng.random()
        if way < 0.4 and not self._wanted(Point.OBJECT_COPIED):
            return file, lambda: _name(client, file, key), True
        if (
            way < (0.9 if self._wanted(Point.OBJECT_COPIED) else 0.6)
            and self._addresses
            and (url := self._put(client, file))
        ):
            return file, lambda: _transcribe(client, file, url, key), False
        return file, lambda: _upload(client, file, key), True

    def _put(self, client: httpx.Client, file: Path) -> str | None:
        """Upload the file to an address of its own, and return that."""
        asked = {"filename": file.name, "content_type": "audio/wav", "file_size": str(file.stat().st_size)}
        given = self._until_answered(lambda: client.get("/api/v1/audio/get_presigned_url", params=asked))
        if given is None:
            return None
        url, data = str(given.json()["url"]), file.read_bytes()
        put = self._until_answered(lambda: client.put(url, content=data, headers={"Content-Type": "audio/wav"}))
        return None if put is None else url

    def _answer(self, send: Callable[[], httpx.Response]) -> str | None:
        answer = self._until_answered(send)
        return None if answer is None else str(answer.json()["id"])

    def _until_answered(self, send: Callable[[], httpx.Response]) -> httpx.Response | None:
        while not self._giving_up.is_set():
            with suppress(httpx.TransportError):
                answer = send()
                if answer.status_code in (200, 202):
                    return answer
                assert answer.status_code in (409, 503), f"{answer.request.url}: {answer.status_code} {answer.text}"
            with self._lock:
                self.repeated += 1
            time.sleep(0.1)
        return None


def _upload(client: httpx.Client, file: Path, key: dict[str, str]) -> httpx.Response:
    with file.open("rb") as data:
        return client.post("/v1/transcriptions", files={"file": data}, data=_OPTIONS, headers=key)


def _name(client: httpx.Client, file: Path, key: dict[str, str]) -> httpx.Response:
    return client.post("/v1/transcriptions", json={"path": str(file), "vad_filter": False}, headers=key)


def _transcribe(client: httpx.Client, file: Path, url: str, key: dict[str, str]) -> httpx.Response:
    return client.post("/api/v1/job/transcribe", json={"filename": file.name, "url": url}, headers=key)
