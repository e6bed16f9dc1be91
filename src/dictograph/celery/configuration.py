"""Dictograph's settings under Celery's names."""

from __future__ import annotations

from typing import Any

from dictograph.queue.celery_tasks import TASK
from dictograph.settings.model import Settings

#: How long Redis may take for a connection and for an answer, in seconds; and how long a connection may be silent
#: before it is asked whether it still lives.
_CONNECT_S, _ANSWER_S, _SILENCE_S = 5.0, 10.0, 4.0

#: The looks for unacknowledged messages in a visibility timeout; the shortest and the longest time between two, in
#: seconds: the longest is kombu's own.
_LOOKS, _OFTEN_S, _RARELY_S = 5, 1.0, 10.0

#: How long a process of the pool may take to begin, in seconds. On a busy machine Celery's 4 s are too short, and it
#: would end each one while it begins.
_BEGIN_S = 60.0


def configuration_of(settings: Settings) -> dict[str, Any]:
    """Return Celery's configuration. A limit of 0 is none."""
    connection = {"socket_connect_timeout": _CONNECT_S, "socket_timeout": _ANSWER_S}
    return {
        "broker_url": settings.redis_url,
        "broker_transport_options": {
            **connection,
            "health_check_interval": _SILENCE_S,
            "visibility_timeout": settings.celery_visibility,
            **_looks_for_unacknowledged(settings.celery_visibility),
        },
        "broker_connection_retry_on_startup": True,
        "result_backend": settings.redis_url,
        "result_expires": settings.celery_result_expires or None,
        "result_serializer": settings.celery_serializer,
        "redis_socket_connect_timeout": _CONNECT_S,
        "redis_socket_timeout": _ANSWER_S,
        "accept_content": list(dict.fromkeys(["json", settings.celery_serializer])),
        "enable_utc": settings.celery_enable_utc,
        "timezone": settings.celery_timezone,
        **_of_tasks(settings),
        **_of_worker(settings),
    }


def _looks_for_unacknowledged(visibility: float) -> dict[str, Any]:
    """Return how often messages are looked for that nobody has acknowledged: as kombu does, or more often where the
    visibility timeout is short."""
    interval = min(max(visibility / _LOOKS, _OFTEN_S), _RARELY_S)
    return {"unacked_restore_interval": interval, "unacked_restore_throttle": 1 if interval < _RARELY_S else 10}


def _of_tasks(settings: Settings) -> dict[str, Any]:
    return {
        "task_default_queue": settings.celery_queue,
        "task_default_routing_key": settings.celery_routing_key,
        "task_serializer": settings.celery_serializer,
        "task_track_started": settings.celery_track_started,
        "task_acks_late": settings.celery_acks_late,
        "task_time_limit": settings.celery_time_limit or None,
        "task_soft_time_limit": settings.celery_soft_time_limit or None,
        "task_annotations": {TASK: {"default_retry_delay": settings.celery_retry_delay}},
        "task_publish_retry_policy": {
            "max_retries": settings.celery_publish_max_retries,
            "interval_start": settings.celery_publish_interval_start,
            "interval_step": settings.celery_publish_interval_step,
            "interval_max": settings.celery_publish_interval_max,
        },
    }


def _of_worker(settings: Settings) -> dict[str, Any]:
    return {
        "worker_concurrency": settings.celery_pool or settings.concurrency,
        "worker_prefetch_multiplier": settings.celery_prefetch_multiplier,
        "worker_disable_rate_limits": settings.celery_disable_rate_limits,
        "worker_max_tasks_per_child": settings.celery_max_tasks_per_child or None,
        "worker_autoscaler": settings.celery_autoscaler,
        "worker_proc_alive_timeout": _BEGIN_S,
        "worker_detect_quorum_queues": False,  # Redis has none
        "worker_cancel_long_running_tasks_on_connection_loss": True,
    }
