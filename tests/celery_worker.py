"""A real Celery worker in a process of its own, as `celery -A dictograph.celery worker` starts it; a plain client."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from celery import Celery

from tests.service import ROOT, Service, eventually

#: The task's name, as an old client has it.
TASK = "audio_text_backend.action.tasks.process_audio"

#: A minute of counting, in one language.
COUNT = ROOT / "src" / "dictograph" / "samples" / "count.wav"

#: What a process of a Celery worker is known by.
HOST, POOL = "dictograph.celery_host", "pool"


class CeleryWorker(Service):
    """`celery -A dictograph.celery worker -Q audio_processing`, with the settings of a service."""

    def start(self, *arguments: str, **settings: object) -> CeleryWorker:
        """Start it; returns at once."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DICTOGRAPH_")},
            **{f"DICTOGRAPH_{k.upper()}": str(v) for k, v in {**self.settings, **settings}.items()},
            "TMPDIR": str(self.folder),
            "PYTHONPATH": str(ROOT),
        }
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-m", "celery", "-A", "dictograph.celery", "worker", "-Q", "audio_processing"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "-l", "info", *self.command, *arguments],
                env=environment, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        return self

    def wait_until_it_hears(self) -> CeleryWorker:
        eventually(lambda: self._hears() or None, 120, f"it does not begin: {self.log}")
        return self

    def _hears(self) -> bool:
        assert self.running, self.words_of_log()[-3000:]
        return " ready." in self.words_of_log()


def celery_of(pid: int) -> psutil.Process | None:
    """The Celery worker below a process: the one that hears the queue."""
    return _first(pid, lambda words: "celery" in words and "worker" in words)


def host_of(pid: int) -> psutil.Process | None:
    """The host below a process."""
    return _first(pid, lambda words: HOST in words)


def pool_of(pid: int) -> list[psutil.Process]:
    """The processes of the pool below a process."""
    worker = celery_of(pid)
    return [] if worker is None else [one for one in worker.children() if one.status() != psutil.STATUS_ZOMBIE]


def _first(pid: int, fits: Any) -> psutil.Process | None:
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with suppress(psutil.NoSuchProcess):
                if fits(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                    return child
    return None


def client(url: str) -> Celery:
    """A client that knows nothing of Dictograph."""
    return Celery("elsewhere", broker=url, backend=url, set_as_current=False, task_default_queue="audio_processing")


class BareTask:
    """A task of Celery's own that sleeps for a minute, under a visibility timeout of 5 s. It counts how often it is
    begun."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._log = folder / "bare.log"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "bare_task.py").write_text(_BARE.format(url=url, log=str(folder / "bare.begun")))

    def start(self) -> None:
        """Start a worker, and send the task."""
        command = [sys.executable, "-m", "celery", "-A", "bare_task", "worker", "-c", "4"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, start_new_session=True)
        subprocess.run(
            [sys.executable, "-c", "import bare_task; bare_task.sleep.delay()"], cwd=self._folder, check=True
        )

    def begun(self) -> int:
        """How often the task was begun."""
        begun = self._folder / "bare.begun"
        return len(begun.read_text().split()) if begun.exists() else 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


_BARE = """
import time
from celery import Celery

app = Celery("bare", broker={url!r})
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={{
        "visibility_timeout": 5, "unacked_restore_interval": 1, "unacked_restore_throttle": 1,
    }},
)

@app.task
def sleep():
    open({log!r}, "a").write("begun ")
    time.sleep(60)
"""
