"""Where the jobs of a run come from: clients of the API, and senders on a topic."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dictograph.runtime.crash import Point
from scripts.machine import free_port
from tests.audio_files import write_noise
from tests.combinations import Servers
from tests.e2e.contracts import spoken
from tests.service import eventually
from tests.soak.clients import Clients
from tests.soak.faults import Seen
from tests.soak.follower import Follower
from tests.soak.scenario import Scenario
from tests.soak.stt_answers import stt_faults
from tests.soak.stt_clients import SttClients
from tests.stt_field import Field
from tests.web_folder import served

#: Seconds of the audio files: a few windows each.
LENGTHS = (30, 65, 100)

#: Clients wait while so many jobs have not ended; senders while so many of theirs have no result.
ROOM, STT_ROOM = 12, 8

#: The partitions of the topic of jobs: workers come and go, and share them.
PARTITIONS = 4


class Sources:
    """`http` and `follower` are there where the scenario has an API, `stt` where it has a topic."""

    def __init__(self, folder: Path, scenario: Scenario, servers: Servers, seed: int) -> None:
        self._folder = folder
        self._scenario = scenario
        self._servers = servers
        self._seed = seed
        self._stack = ExitStack()
        self.http: Clients | None = None
        self.follower: Follower | None = None
        self.stt: SttClients | None = None
        self.field = Field(servers.broker, PARTITIONS) if scenario.stt and servers.broker else None
        self._address = f"127.0.0.1:{free_port()}"
        self._site = ""
        if self.field is not None:
            self._site = self._stack.enter_context(served(self._write_site()))

    def settings(self) -> dict[str, Any]:
        """What the service is told of them."""
        found: dict[str, Any] = {"path_roots": self._folder}
        if self.field is not None:
            found |= self.field.settings(self._site)
        if self._scenario.http:
            found |= {"listen": self._address, "anonymous": "backend"}
        return found

    def start(self, unended: Callable[[], int], wanted: Callable[[Point], bool]) -> None:
        """`wanted` says whether a process has still to die at a place."""
        if self._scenario.http:
            self.http = self._clients(unended, wanted)
            self.http.start()
            native = self.http.native
            self.follower = Follower(f"http://{self._address}", lambda: native[-1:])
            self.follower.start()
        if self.field is not None:
            self.stt = SttClients(
                self.field, self._site, ["short.wav", "long.wav"], ["gone.wav", "text.mp3"],
                lambda pending: pending < STT_ROOM, self._seed,
            )  # fmt: skip
            self.stt.start()

    @property
    def promised(self) -> int:
        """The number of jobs that were taken on."""
        return len(self.http.promised if self.http else ()) + len(self.stt.promised if self.stt else ())

    def check(self) -> None:
        """Raise what one of them has died of."""
        for one in (self.http, self.stt):
            if one is not None:
                one.check()

    def finish(self) -> None:
        """Begin nothing new."""
        if self.stt is not None:
            self.stt.finish()
        if self.http is not None:
            self.http.finish()

    def wait_until_done(self) -> None:
        """Wait until each job from a topic has its result, and every message is committed."""
        if self.stt is not None and self.field is not None:
            stt = self.stt
            eventually(lambda: not stt.pending, 300, "jobs from the topic have no result", 1)
            stt.end()
            eventually(self.field.all_is_committed, 120, "messages are not committed", 1)
        if self.follower is not None:
            self.follower.stop()

    def give_up(self) -> None:
        if self.http is not None:
            self.http.give_up()

    def end(self) -> None:
        if self.follower is not None:
            self.follower.stop()
        if self.stt is not None:
            self.stt.end()
        self._stack.close()

    def seen(self, of_sender: dict[str, str], accepted: list[str]) -> Seen:
        """What they have seen. `of_sender` has our job of each `jobId`, `accepted` are writes that went through."""
        promised = dict(self.http.promised) if self.http else {}
        failing: list[str] = []
        for sender, file in (self.stt.promised if self.stt else {}).items():
            job = of_sender.get(sender, f"no job for {sender}")
            if self.stt and self.stt.answers.fails(sender):
                failing.append(job)
            else:
                promised[job] = Path(f"topic-{file}")
        return Seen(
            promised,
            self.http.broken_promises if self.http else (),
            self.follower.missed if self.follower else (),
            accepted,
            failing,
            stt_faults(self.stt.answers) if self.stt else {},
        )

    def _clients(self, unended: Callable[[], int], wanted: Callable[[Point], bool]) -> Clients:
        audio = [write_noise(self._folder / f"{s}s.wav", s, seed, rate=4_000) for seed, s in enumerate(LENGTHS)]
        room = ROOM + (STT_ROOM if self._scenario.stt else 0)
        in_bucket = self._servers.s3 is not None
        large = write_noise(self._folder / "large.wav", 270, 9, rate=96_000) if in_bucket else None
        return Clients(
            f"http://{self._address}", audio, lambda: unended() < room, self._seed,
            large=large, wanted=wanted, addresses=in_bucket,
        )  # fmt: skip

    def _write_site(self) -> Path:
        site = self._folder / "site"
        site.mkdir()
        spoken.short(site, seed=1)[0].rename(site / "short.wav")
        spoken.long(site, seed=2, windows=2).rename(site / "long.wav")
        (site / "text.mp3").write_text("no audio")
        return site
