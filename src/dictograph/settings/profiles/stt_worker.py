"""The worker on Kafka: jobs from one topic, results to another one, and no HTTP but for health and figures."""

from __future__ import annotations

from dictograph.contract import Contract
from dictograph.settings.profiles.table import Alias, Listener, Profile
from dictograph.settings.profiles.values import brokers, folder, lower, milliseconds, model, port, whole

_WEEK_S = 7 * 86_400

PROFILE = Profile(
    contract=Contract.STT_WORKER,
    listeners=(),
    anonymous=(),
    defaults={
        "queue_url": "kafka://localhost:9092",
        "stt_model": "small",
        "device": "cpu",
        "concurrency": 1,
        "result_retention": _WEEK_S,
        "kafka_retention": _WEEK_S,
    },
    worker_listeners=(
        Listener("0.0.0.0", 9108, "", "METRICS_PORT"),
        Listener("0.0.0.0", 8081, "", "HEALTH_PORT"),
    ),
    aliases=(
        Alias("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092", "queue_url", brokers),
        Alias("KAFKA_GROUP_ID", "stt-worker", "stt_group"),
        Alias("STT_JOBS_TOPIC", "stt.jobs", "stt_jobs_topic"),
        Alias("STT_RESULTS_TOPIC", "stt.results", "stt_results_topic"),
        Alias("STT_DLQ_TOPIC", "stt.jobs.dlq", "stt_dead_letter_topic"),
        Alias("MODEL_SIZE", "small", "stt_model", model),
        Alias("DEVICE", "cpu", "device", lower),
        Alias("COMPUTE_TYPE", "", "compute_type", lower),
        Alias("AUDIO_DOWNLOAD_TIMEOUT", "30", "stt_download_timeout", whole),
        Alias("TRANSCRIBE_TIMEOUT", "120", "stt_attempt_timeout", whole, says="one attempt, without the download"),
        Alias("MAX_AUDIO_BYTES", "26214400", "stt_max_bytes", whole),
        Alias("MAX_AUDIO_DURATION_SEC", "600", "stt_max_audio", whole),
        Alias("MAX_ATTEMPTS", "3", "stt_max_attempts", whole),
        Alias("RETRY_BACKOFF_BASE_MS", "500", "stt_backoff_base", milliseconds),
        Alias("RETRY_BACKOFF_MAX_MS", "5000", "stt_backoff_max", milliseconds),
        Alias("WORKER_CONCURRENCY", "1", "concurrency", whole),
        Alias("WORKER_QUEUE_MAX", "4", "stt_queue_max", whole),
        Alias("METRICS_PORT", "9108", "worker_listen", port, piece="port"),
        Alias("HEALTH_PORT", "8081", "worker_listen", port, piece="port"),
        Alias("OTEL_EXPORTER_OTLP_ENDPOINT", "", says="accepted, and has no effect: nothing is traced"),
        Alias("TMP_DIR", "/tmp/stt", "scratch_dir", folder),  # noqa: S108 - the old system's default, told here only
    ),
)
