"""PostgreSQL is stopped, killed, paused, cut off and used up under load: the service says so, and goes on by itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests import postgres
from tests.audio_files import write_noise
from tests.chaos.deployment import PLAIN, Deployment, Listener, SseListener, WebSocketListener, deployment
from tests.postgres import Cluster, cluster
from tests.service import NO_TLS, eventually

LEASE = 4

#: An answer that takes longer is none, in seconds: the store's patience, and a busy machine.
PATIENCE = 45.0


class Load:
    """A house whose workers always have something to do, and clients that watch."""

    def __init__(self, here: Deployment, server: Cluster, audio: Path) -> None:
        self.here, self.server, self.audio = here, server, audio
        self.jobs: dict[str, Path] = {}
        self.listeners: list[Listener] = []

    def begin(self) -> None:
        """Two jobs under way, each followed in both ways."""
        self.here.api.behave(delay=0.4, max_batch=1)
        new = [self.here.api.submit(self.audio, **PLAIN) for _ in range(2)]
        self.jobs |= dict.fromkeys(new, self.audio)
        for job in new:
            self.listeners += [kind(self.here.api, job) for kind in (SseListener, WebSocketListener)]
        for listener in self.listeners[-4:]:
            listener.start()
        eventually(lambda: all(self.here.api.job(job)["seconds_done"] > 0 for job in new), what="no job begins")

    def ask(self) -> httpx.Response:
        """Ask for a job: the answer comes in time, and is right or says that the database is away."""
        began = time.monotonic()
        url = f"{self.here.api.base}/v1/transcriptions/{next(iter(self.jobs))}"
        answer = httpx.get(url, timeout=PATIENCE, verify=NO_TLS)
        assert time.monotonic() - began < PATIENCE
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable"), answer.text
            self.names_no_host(answer)
            assert int(answer.headers["retry-after"]) > 0
        return answer

    def names_no_host(self, answer: httpx.Response) -> None:
        """Where the database is stands in the log, for the operator alone."""
        assert str(urlsplit(self.here.url).port) not in answer.text, answer.text

    def says_that_it_is_not_ready(self) -> None:
        eventually(lambda: self.here.api.get("/ready").status_code == 503, 15, "it says that it is ready")
        self.names_no_host(self.here.api.get("/ready"))
        assert self.here.api.get("/health").status_code == 200

    def goes_on(self) -> None:
        """Nothing is asked of anybody but patience."""
        self.here.api.behave(delay=0.0)
        eventually(lambda: self.here.api.get("/ready").status_code == 200, 30, "it is not ready again")
        self.here.check(self.jobs)
        for listener in self.listeners:
            listener.join(30)
            assert listener.seqs == list(range(1, len(listener.seqs) + 1)), "events were missed, or came twice"
            assert set(listener.answers) <= {200, 204, 503, 1000, 1013}, "an end that tells nothing"
        assert all(worker.running for worker in self.here.workers)
        assert {job: self.here.charged(job) for job in self.jobs} == {job: [] for job in self.jobs}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    folder = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(postgres.SMALL, "max_connections", "50")
        with cluster() as server, deployment(folder, server.new_database(), lease=f"{LEASE}s") as here:
            for name in ("one", "two"):
                here.worker(name)
            yield Load(here, server, write_noise(folder / "a.wav", 240, 1))


def test_a_server_that_goes_away_and_comes_back(load: Load) -> None:
    """One that is killed is part of `test_kills.py`."""
    load.begin()
    load.server.stop()
    assert load.ask().status_code == 503
    load.says_that_it_is_not_ready()
    load.server.start()
    load.goes_on()


def test_a_server_that_hangs_for_longer_than_a_lease(load: Load) -> None:
    load.begin()
    load.server.pause()
    try:
        load.says_that_it_is_not_ready()
        time.sleep(LEASE)  # the length of the outage is what is tested
    finally:
        load.server.resume()
    load.ask()
    load.goes_on()


def test_connections_that_are_cut_and_of_which_there_are_no_more(load: Load) -> None:
    load.begin()
    with contextlib.ExitStack() as held:
        thieves: list[psycopg.Connection[tuple[int]]] = []
        eventually(lambda: _took_all(load.here.url, held, thieves), what="the service holds on to its connections")
        assert load.ask().status_code == 503
        load.says_that_it_is_not_ready()
    load.goes_on()


#: All connections but ours.
_OTHERS = "FROM pg_stat_activity WHERE application_name <> 'thief' AND datname = current_database()"


def _took_all(url: str, held: contextlib.ExitStack, thieves: list[psycopg.Connection[tuple[int]]]) -> bool:
    """Take every connection that is free, and cut those of the others; true when there were none of those."""
    with contextlib.suppress(psycopg.OperationalError):  # there are too many clients
        while True:
            thieves.append(held.enter_context(psycopg.connect(url, application_name="thief", autocommit=True)))
    cut = thieves[0].execute(f"SELECT count(pg_terminate_backend(pid)) {_OTHERS}").fetchone()
    return cut == (0,)
