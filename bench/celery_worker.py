"""Services whose queue is a Redis of their own, for the figures about Celery."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.room import Room
from tests.celery_worker import CeleryWorker, client
from tests.service import Service, eventually


@contextmanager
def celery_worker(room: Room, name: str, *arguments: str, **settings: Any) -> Iterator[tuple[Service, CeleryWorker]]:
    """Run `dictograph api` beside `celery -A dictograph.celery worker` on a new data folder; both are up."""
    folder: Path = room.scratch(name)
    api = Service(folder, "api", **settings)
    own = {key: value for key, value in api.settings.items() if key != "listen"}
    worker = CeleryWorker(folder, *arguments, name="celery", **own)
    try:
        api.start().wait_until_up()
        worker.start()
        control = client(str(settings["queue_url"])).control
        eventually(lambda: control.ping(timeout=10, limit=1), 180, f"it does not begin: {worker.log}")
        api.wait_until_ready()
        yield api, worker
    finally:
        for one in (worker, api):
            if one.running:
                one.stop()


def cpu_of_tree(pid: int, seconds: float) -> float:
    """Return the part of a core that a process and its children use, over a number of seconds."""
    before = _cpu(pid)
    time.sleep(seconds)
    return (_cpu(pid) - before) / seconds


def _cpu(pid: int) -> float:
    root = psutil.Process(pid)
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
