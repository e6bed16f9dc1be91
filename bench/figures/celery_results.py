"""Tasks of jobs that have ended, compared with bare tasks on the same Redis."""

from __future__ import annotations

import time

import redis as redis_py

from bench.celery_tasks import redis_server, tasks_per_second
from bench.celery_worker import celery_worker
from bench.figure import AT_LEAST, Check, Goal, Measured, Table
from bench.room import Room
from tests.celery_worker import COUNT, TASK, client
from tests.service import eventually

NAME = "celery_results"
TITLE = "Results of tasks whose jobs have ended, a second ÷ bare Celery tasks with their results kept"
GOAL = Goal(AT_LEAST, 0.3)

_PROCESSES = 2

_HOW = """One Redis, a pool of {processes} each, {tasks} tasks, from the first message until all results are there. A
bare task does nothing, everything is Celery's default. Ours asks the database (SQLite) for the job and its text."""


def measure(room: Room) -> Measured:
    tasks = 200 if room.quick else 4000
    with redis_server(room.scratch("redis")) as url:
        bare = tasks_per_second(url, tasks, _PROCESSES, results=True)
        settings = {"queue_url": f"{url}/2", "celery_pool": _PROCESSES}
        with celery_worker(room, "ours", "-c", str(_PROCESSES), "-l", "error", **settings) as (api, _):
            job = api.submit(COUNT)
            api.wait_for(job)
            ours, complete = _tasks_per_second(f"{url}/2", job, tasks)
    room.say(f"bare: {bare:.0f} tasks/s; ours: {ours:.0f}")
    return Measured(
        value=round(ours / bare, 3),
        checks=(Check("every task had the job's text", complete),),
        details=Table(("task", "a second"), (("bare", bare), ("of a job that has ended", ours))),
        notes=(" ".join(_HOW.format(processes=_PROCESSES, tasks=tasks).split()),),
        reason="each task asks the database, and a process of the pool is replaced after ten tasks",
    )


def _tasks_per_second(url: str, job: str, count: int) -> tuple[float, bool]:
    sender, results = client(url), redis_py.Redis.from_url(url)
    sender.AsyncResult(job).get(timeout=60)
    results.delete(*results.keys("celery-task-meta-*"))
    began = time.monotonic()
    for number in range(count):
        sender.send_task(TASK, args=[job, "count.wav", "base"], task_id=f"task-{number}", queue="audio_processing")

    def done() -> bool:
        finished = results.llen("audio_processing") + results.hlen("unacked")
        return bool(finished == 0)

    eventually(done, 600, "tasks do not end", 0.1)
    took = time.monotonic() - began
    texts = {str(sender.AsyncResult(f"task-{number}").get(timeout=60)["text"]) for number in range(count)}
    return count / took, len(texts) == 1 and texts != {""}
