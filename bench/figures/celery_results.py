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

#: After how many tasks a process of the pool is replaced (0: never), and how many tasks are run, few in a quick run.
_RUNS = {0: (4000, 200), 10: (400, 60)}

_HOW = """One Redis, a pool of {processes} each, from the first message until all results are there. A bare task does
nothing. Ours asks the database (SQLite) for the job and its text. With the default of the older system a process of the
pool is replaced after ten tasks; both are compared with it and without. The lower ratio counts."""


def measure(room: Room) -> Measured:
    rows, ratios, complete = [], [], True
    with redis_server(room.scratch("redis")) as url:
        for number, (replaced_after, counts) in enumerate(_RUNS.items()):
            tasks = counts[1] if room.quick else counts[0]
            bare = tasks_per_second(url, tasks, _PROCESSES, results=True, replaced_after=replaced_after)
            ours, all_there = _ours(room, f"{url}/{number + 2}", tasks, replaced_after)
            room.say(
                f"replaced after {replaced_after or 'no number of'} tasks: bare {bare:.0f} tasks/s, ours {ours:.0f}"
            )
            rows.append((str(replaced_after or "never"), bare, ours))
            ratios.append(ours / bare)
            complete &= all_there
    return Measured(
        value=round(min(ratios), 3),
        checks=(Check("every task had the job's text", complete),),
        details=Table(("a process is replaced after", "bare tasks a second", "of ended jobs"), tuple(rows)),
        notes=(" ".join(_HOW.format(processes=_PROCESSES).split()),),
        reason="each task asks the database, and each new process opens it",
    )


def _ours(room: Room, url: str, tasks: int, replaced_after: int) -> tuple[float, bool]:
    settings = {"queue_url": url, "celery_pool": _PROCESSES, "celery_max_tasks_per_child": replaced_after}
    with celery_worker(room, f"ours{replaced_after}", "-c", str(_PROCESSES), "-l", "error", **settings) as (api, _):
        job = api.submit(COUNT)
        api.wait_for(job)
        return _tasks_per_second(url, job, tasks)


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
