"""A real Celery worker in a process of its own, as `celery -A dictograph.celery worker` starts it; a plain client."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
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
