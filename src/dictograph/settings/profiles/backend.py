"""The backend: uploads by presigned URL, jobs by HTTP and WebSocket; Celery, PostgreSQL, Redis and S3 behind it.

It listens on all addresses, as the old system did in its container: those who call it are web pages in other
people's browsers. What is open to them without a key is this contract's routes alone.
"""

from __future__ import annotations

from dictograph.contract import Contract
from dictograph.settings.profiles.table import Alias, Listener, Profile
from dictograph.settings.profiles.values import (
    attempts,
    bucket,
    host,
    lower,
    megabytes,
    model,
    port,
    serializer,
    switch,
    the_table,
    whole,
)

#: What `mode` may name.
MODES = ("tiny", "base", "small", "medium", "large-v3", "turbo")

_DATABASE = (
    Alias("database.database", "audiotext", "database_url", piece="database"),
    Alias("database.host", "postgres", "database_url", host, piece="host"),
    Alias("database.port", "5432", "database_url", port, piece="port"),
    Alias("database.user", "postgres", "database_url", piece="user"),
    Alias("database.password", "postgres", "database_url", piece="password"),
    Alias("database.ref_table", "transcription_job", convert=the_table, says="the table has this name, and no other"),
)

_AWS = (
    Alias("aws.bucket_name", "", "storage_url", bucket, says="an `s3://` URL of this bucket"),
    Alias("aws.access_key", "", "s3_access_key", optional=True),
    Alias("aws.secret_key", "", "s3_secret_key", optional=True),
    Alias("aws.region", "eu-west-3", "s3_region"),
    Alias("aws.endpoint_url", "", "s3_endpoint"),
)

_REDIS = (
    Alias("redis.host", "redis", "queue_url", host, piece="host", says="the queue is then on Redis"),
    Alias("redis.port", "6379", "queue_url", port, piece="port"),
    Alias("redis.password", "", "queue_url", piece="password", optional=True),
    Alias("redis.pub_sub_channel", "job_updates", "redis_channel"),
)

_CELERY = (
    Alias("celery.queue_name", "audio_processing", "celery_queue"),
    Alias("celery.routing_key", "audio_processing", "celery_routing_key"),
    Alias("celery.serialization_format", "json", "celery_serializer", serializer),
    Alias("celery.timezone", "UTC", "celery_timezone"),
    Alias("celery.enable_utc", "1", "celery_enable_utc", switch),
    Alias("celery.task_track_started", "1", "celery_track_started", switch),
    Alias("celery.task_acks_late", "1", "celery_acks_late", switch),
    Alias("celery.worker_prefetch_multiplier", "1", "celery_prefetch_multiplier", whole),
    Alias("celery.worker_disable_rate_limits", "1", "celery_disable_rate_limits", switch),
    Alias("celery.worker_max_tasks_per_child", "10", "celery_max_tasks_per_child", whole),
    Alias("celery.task_time_limit", "600", "celery_time_limit", whole, says="the task ends, and its job goes on"),
    Alias(
        "celery.task_soft_time_limit", "480", "celery_soft_time_limit", whole, says="the task ends, and its job goes on"
    ),
    Alias("celery.task_default_retry_delay", "60", "celery_retry_delay", whole),
    Alias(
        "celery.task_max_retries", "3", "backend_max_attempts", attempts, says="so many retries are one attempt more"
    ),
    Alias("celery.worker_autoscaler", "celery.worker.autoscale:Autoscaler", "celery_autoscaler"),
    Alias("celery.retry_policy_max_retries", "3", "celery_publish_max_retries", whole),
    Alias("celery.retry_policy_interval_start", "0", "celery_publish_interval_start", whole),
    Alias("celery.retry_policy_interval_step", "60", "celery_publish_interval_step", whole),
    Alias("celery.retry_policy_interval_max", "300", "celery_publish_interval_max", whole),
)

_FILE = (
    Alias("file.max_size_mb", "10", "backend_max_upload", megabytes),
    Alias(
        "file.allowed_audio_extensions",
        "mp3,wav,flac,mp4,m4a,aac,ogg",
        "backend_extensions",
        says="without the key `webm`, `opus`, `mpeg` and `mpga` are taken too",
    ),
    Alias("file.whisper_model", "base", "backend_model", model),
)

_WHISPER = (
    Alias("whisper.device", "cpu", "device", lower),
    Alias("whisper.compute_type", "int8", "compute_type", lower),
    Alias("whisper.cpu_threads", "4", "engine_threads", whole),
    Alias("whisper.beam_size", "5", "backend_beam_size", whole),
    Alias("whisper.word_timestamps", "true", "backend_word_timestamps", switch),
    Alias("whisper.vad_filter", "true", "backend_vad_filter", switch),
    Alias("whisper.vad_min_silence_duration_ms", "500", "backend_vad_min_silence_duration_ms", whole),
)

_MIDDLEWARE = (
    Alias("middleware.cors_origins", "", "backend_origins"),
    Alias("middleware.requests_per_minute", "", "backend_requests_per_minute", whole),
    Alias("middleware.requests_per_hour", "", "backend_requests_per_hour", whole),
)

_VARIABLES = (
    Alias(
        "ALLOWED_ORIGINS",
        "",
        "backend_origins",
        also={"backend_require_origin": True},
        says="calls from elsewhere are then refused, as `DICTOGRAPH_BACKEND_REQUIRE_ORIGIN` says",
    ),
)

PROFILE = Profile(
    contract=Contract.BACKEND,
    listeners=(Listener("0.0.0.0", 3203),),
    anonymous=("backend",),
    defaults={
        "backend_max_upload": 10 * 2**20,
        "backend_model": "base",
        "backend_modes": list(MODES),
        "backend_max_attempts": 4,
        "backend_beam_size": 5,
        "backend_word_timestamps": True,
        "backend_vad_filter": True,
        "backend_vad_min_silence_duration_ms": 500,
        "s3_region": "eu-west-3",
        "redis_channel": "job_updates",
        "device": "cpu",
        "compute_type": "int8",
        "engine_threads": 4,
    },
    aliases=(*_VARIABLES, *_DATABASE, *_AWS, *_REDIS, *_CELERY, *_FILE, *_WHISPER, *_MIDDLEWARE),
)
