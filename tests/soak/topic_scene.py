"""A broker with topics of contract K, recordings that workers fetch, and workers on them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts.machine import free_port
from tests.combinations import Combination, Servers, own_servers
from tests.e2e.contracts import spoken
from tests.service import Service
from tests.soak.stt_clients import SttClients
from tests.stt_field import Field
from tests.web_folder import served


class TopicScene:
    """Topics with some recordings, and workers on them."""

    def __init__(self, folder: Path, servers: Servers, site: str) -> None:
        assert servers.broker is not None
        self.folder = folder
        self.site = site
        self.field = Field(servers.broker, partitions=4)
        self._settings = {**servers.settings(), **self.field.settings(site)}
        self.workers: list[Service] = []

    def worker(self, **settings: object) -> Service:
        """Another worker on the same data folder, started."""
        own = {**self._settings, "worker_listen": f"127.0.0.1:{free_port()}", **settings}
        one = Service(self.folder, "worker", name=f"worker{len(self.workers)}", **own)
        self.workers.append(one)
        return one.start()

    def clients(self, room: Callable[[int], bool]) -> SttClients:
        """Senders of jobs, not yet started."""
        return SttClients(self.field, self.site, ["short.wav"], ["gone.wav"], room, 1)


@contextmanager
def topic_scene(database: str) -> Iterator[TopicScene]:
    """Servers and topics of one's own, without a worker; all is gone afterwards whatever happens."""
    with ExitStack() as stack:
        servers = stack.enter_context(own_servers(Combination(database, "kafka")))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dictograph-soak-")))
        (folder / "site").mkdir()
        spoken.short(folder / "site", seed=1)[0].rename(folder / "site" / "short.wav")
        scene = TopicScene(folder, servers, stack.enter_context(served(folder / "site")))
        try:
            yield scene
        finally:
            for one in scene.workers:
                if one.running:
                    one.kill()
