"""Dictograph's settings as Celery has them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dictograph.celery.app import make_app
from dictograph.celery.configuration import configuration_of
from dictograph.queue.celery_tasks import TASK
from dictograph.settings.model import Settings

URL = "redis://:secret@127.0.0.1:1/3"


def conf(**values: Any) -> dict[str, Any]:
    return configuration_of(Settings(queue_url=URL, **values))


def test_the_defaults_are_those_of_the_older_system() -> None:
    found = conf()
    assert found["broker_url"] == found["result_backend"] == URL
    expected = {
        "task_default_queue": "audio_processing", "task_default_routing_key": "audio_processing",
        "task_serializer": "json", "timezone": "UTC", "enable_utc": True, "task_track_started": True,
        "task_acks_late": True, "worker_prefetch_multiplier": 1, "worker_disable_rate_limits": True,
        "worker_max_tasks_per_child": 10, "task_time_limit": 600, "task_soft_time_limit": 480, "result_expires": 86400,
        "worker_autoscaler": "celery.worker.autoscale:Autoscaler",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert found["worker_concurrency"] == Settings().concurrency


def test_a_limit_of_nought_is_none() -> None:
    found = conf(celery_time_limit=0, celery_soft_time_limit=0, celery_max_tasks_per_child=0, celery_result_expires=0)
    assert [found["task_time_limit"], found["task_soft_time_limit"], found["worker_max_tasks_per_child"]] == [None] * 3
    assert found["result_expires"] is None


def test_every_name_is_one_of_celerys() -> None:
    from celery.app.defaults import NAMESPACES, flatten

    assert conf().keys() <= dict(flatten(NAMESPACES)).keys()


def test_pickle_is_never_taken() -> None:
    assert conf()["accept_content"] == ["json"]


def test_an_application_has_the_task_and_the_settings_that_it_was_given() -> None:
    app = make_app(Settings(queue_url=URL, celery_retry_delay=7))
    assert app.conf.broker_url == URL
    task = app.tasks[TASK]
    assert (task.default_retry_delay, task.acks_late, task.reject_on_worker_lost) == (7, True, True)


def test_an_import_reads_no_settings_and_opens_nothing(tmp_path: Path) -> None:
    code = "import dictograph.celery as c; assert not c.app.configured; assert 'settings' not in vars(c.app)"
    environment = {"DICTOGRAPH_QUEUE_URL": "no such thing", "PATH": ""}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)


@pytest.mark.parametrize(
    ("url", "said"),
    [("database:", "DICTOGRAPH_QUEUE_URL"), ("redis://nowhere/x", "DICTOGRAPH_QUEUE_URL")],
)
def test_wrong_settings_are_one_line_and_no_traceback(tmp_path: Path, url: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "dictograph.celery", "worker"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={"DICTOGRAPH_QUEUE_URL": url, "HOME": "/tmp"},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
