"""The settings of Celery on Redis. The server is that of `DICTOGRAPH_QUEUE_URL`."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field

from dictograph.settings.values import Seconds

#: A name that a queue, a routing key or a channel can have.
_NAME = r"^[A-Za-z0-9._:/-]{1,200}$"


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # unknown; a folder of zones; no name at all
        raise ValueError("give the name of a time zone, as in UTC or Europe/Berlin") from error
    return name


class CelerySettings(BaseModel):
    """The settings of Celery's messages, tasks and workers, and of the channel that tells of changes."""

    # --- Celery on Redis
    celery_queue: str = Field("audio_processing", pattern=_NAME, description="The queue of Celery's messages.")
    celery_routing_key: str = Field("audio_processing", pattern=_NAME, description="The routing key of that queue.")
    celery_serializer: Literal["json", "yaml", "msgpack"] = Field(
        "json",
        description="How messages and results are written. `yaml` and `msgpack` need their own library; `pickle` is "
        "refused, since it lets everybody who can write to Redis run code in a worker.",
    )
    celery_timezone: Annotated[str, AfterValidator(_time_zone)] = Field(
        "UTC", description="The time zone of Celery's times, as in `Europe/Berlin`."
    )
    celery_enable_utc: bool = Field(True, description="Whether times in messages are UTC.")
    celery_track_started: bool = Field(True, description="Whether a task that has begun has the state STARTED.")
    celery_acks_late: bool = Field(
        True, description="Whether a message is acknowledged when its task has ended, and not when it begins."
    )
    celery_prefetch_multiplier: int = Field(
        1, ge=0, le=1000, description="How many messages a worker reserves for each process of its pool; 0: any number."
    )
    celery_disable_rate_limits: bool = Field(True, description="Whether rate limits of tasks have no effect.")
    celery_max_tasks_per_child: int = Field(
        10, ge=0, description="A process of the pool is replaced after this number of tasks; 0: never."
    )
    celery_time_limit: Seconds = Field(
        600,
        description="A task is ended after this time, and another one waits in its place; the job goes on. 0: never.",
    )
    celery_soft_time_limit: Seconds = Field(
        480, description="A task replaces itself after this time, under the same id; the job goes on. 0: never."
    )
    celery_retry_delay: Seconds = Field(60, description="How long a task waits before it is tried again.")
    celery_autoscaler: str = Field(
        "celery.worker.autoscale:Autoscaler", description="The class that changes the size of the pool, as in Celery."
    )
    celery_publish_max_retries: int = Field(
        3,
        ge=0,
        description="How often a message that could not be sent is sent again by the intervals below. After that, and "
        "as soon as Redis is back, it is sent again all the same.",
    )
    celery_publish_interval_start: Seconds = Field(0, description="The wait before a message is sent again first.")
    celery_publish_interval_step: Seconds = Field(60, description="What each further wait is longer by.")
    celery_publish_interval_max: Seconds = Field(300, description="The longest of these waits.")
    celery_result_expires: Seconds = Field(86400, description="How long Redis keeps a task's result; 0: for ever.")
    celery_pool: int = Field(
        0,
        ge=0,
        le=1000,
        description="The processes in the pool of a Celery worker, each of which waits for one job; 0: as many as "
        "`DICTOGRAPH_CONCURRENCY`.",
    )
    celery_visibility: Seconds = Field(
        3600,
        gt=0,
        description="A message that no worker has acknowledged for this time is delivered again. No job is run twice "
        "for it.",
    )
    redis_channel: str = Field(
        "",
        pattern=r"^[^\s]{0,200}$",
        description="The channel of Redis on which each change of a backend's job is published; empty: none.",
    )
