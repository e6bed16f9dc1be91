"""The settings of contract K, the worker on Kafka."""

from __future__ import annotations

from pydantic import BaseModel, Field

from dictograph.settings.values import Bytes, Seconds

#: A name that a topic or a group can have.
_NAME = r"^[A-Za-z0-9._-]{1,249}$"


class SttSettings(BaseModel):
    """The settings of contract K. They are in force with profile `stt-worker`."""

    # --- the contract of the worker on Kafka
    stt_jobs_topic: str = Field("stt.jobs", pattern=_NAME, description="The topic whose messages become jobs.")
    stt_results_topic: str = Field("stt.results", pattern=_NAME, description="The topic of the results of these jobs.")
    stt_dead_letter_topic: str = Field(
        "stt.jobs.dlq",
        pattern=_NAME,
        description="The topic of messages that are no valid job, and of jobs that failed.",
    )
    stt_group: str = Field("stt-worker", pattern=_NAME, description="The consumer group of these workers.")
    stt_model: str = Field(
        "", description="The model of the jobs from Kafka, with engine `whisper`; empty: the configured one."
    )
    stt_max_bytes: Bytes = Field(25 * 2**20, gt=0, description="The largest audio of a job from Kafka.")
    stt_max_audio: Seconds = Field(600, gt=0, description="The longest audio of a job from Kafka.")
    stt_download_timeout: Seconds = Field(30, gt=0, description="The most time to fetch the audio of a job from Kafka.")
    stt_attempt_timeout: Seconds = Field(
        120, gt=0, description="The most time of one attempt at a job from Kafka, after its audio is there."
    )
    stt_max_attempts: int = Field(3, ge=1, le=100, description="The most attempts at a job from Kafka, all counted.")
    stt_backoff_base: Seconds = Field(
        0.5, gt=0, description="The wait before the second attempt at a job from Kafka; it doubles with each one."
    )
    stt_backoff_max: Seconds = Field(5, gt=0, description="The longest wait before an attempt at a job from Kafka.")
    stt_queue_max: int = Field(
        4,
        ge=0,
        le=100_000,
        description="How many jobs a worker takes from Kafka beyond those that it runs, on its own database.",
    )
