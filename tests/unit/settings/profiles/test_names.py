"""Every variable and key of the old systems: what it is another name of, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dictograph.errors import SettingsError
from dictograph.settings.loading import load
from dictograph.settings.profiles.selection import PROFILES

MIB = 2**20

#: Variables of contract G, as contracts.md has them: value given, and the settings that follow.
GATEWAY: dict[str, tuple[str, dict[str, Any]]] = {
    "API_KEY": ("secret # of the gateway", {"gateway_api_key": "secret"}),
    "UPLOAD_FOLDER": ("/srv/audio", {"storage_url": "/srv/audio"}),
    "MAX_CONTENT_LENGTH": ("1048576", {"gateway_max_upload": MIB}),
    "GATEWAY_HOST": ("0.0.0.0", {"listen": ["gateway@0.0.0.0:5000", "gateway@127.0.0.1:8765"]}),
    "GATEWAY_PORT": ("5001", {"listen": ["gateway@127.0.0.1:5001", "gateway@127.0.0.1:8765"]}),
    "WEBSOCKET_HOST": ("::1", {"listen": ["gateway@127.0.0.1:5000", "gateway@[::1]:8765"]}),
    "WEBSOCKET_PORT": ("8766", {"listen": ["gateway@127.0.0.1:5000", "gateway@127.0.0.1:8766"]}),
    "MODEL_ID": ("openai/whisper-large-v3", {"gateway_model": "large-v3"}),
    "GPU_DEVICE": ("CUDA", {"device": "cuda"}),
    "KAFKA_BOOTSTRAP_SERVERS": ("a:9092, b:9093", {"queue_url": "kafka://a:9092,b:9093"}),
    "KAFKA_TOPIC_AUDIO": ("talks", {"gateway_topic": "talks"}),
    "KAFKA_CONSUMER_GROUP": ("us", {"gateway_group": "us"}),
    "KAFKA_BATCH_SIZE": ("1000", {"kafka_batch_size": 1000}),
    "KAFKA_LINGER_MS": ("20", {"kafka_linger": 0.02}),
    "KAFKA_COMPRESSION_TYPE": ("LZ4", {"kafka_compression": "lz4"}),
}

#: Keys of contract B's file.
BACKEND: dict[str, tuple[str, dict[str, Any]]] = {
    "database.database": ("jobs", {"database_url": "postgresql://postgres:postgres@postgres:5432/jobs"}),
    "database.host": ("db.example", {"database_url": "postgresql://postgres:postgres@db.example:5432/audiotext"}),
    "database.port": ("5433", {"database_url": "postgresql://postgres:postgres@postgres:5433/audiotext"}),
    "database.user": ("me@x", {"database_url": "postgresql://me%40x:postgres@postgres:5432/audiotext"}),
    "database.password": ("p#a/s:s", {"database_url": "postgresql://postgres:p%23a%2Fs%3As@postgres:5432/audiotext"}),
    "database.ref_table": ("transcription_job", {"database_url": ""}),
    "aws.bucket_name": ("old-audio", {"storage_url": "s3://old-audio"}),
    "aws.access_key": ("AKIAOLD", {"s3_access_key": "AKIAOLD"}),
    "aws.secret_key": ("a/secret+key", {"s3_secret_key": "a/secret+key"}),
    "aws.region": ("eu-west-1", {"s3_region": "eu-west-1"}),
    "aws.endpoint_url": ("http://minio:9000", {"s3_endpoint": "http://minio:9000"}),
    "redis.host": ("cache.example", {"queue_url": "redis://cache.example:6379/0"}),
    "redis.port": ("6380", {"queue_url": "redis://redis:6380/0"}),
    "redis.password": ("p#a/s:s", {"queue_url": "redis://:p%23a%2Fs%3As@redis:6379/0"}),
    "redis.pub_sub_channel": ("changes", {"redis_channel": "changes"}),
    "celery.queue_name": ("talks", {"celery_queue": "talks"}),
    "celery.routing_key": ("talks.new", {"celery_routing_key": "talks.new"}),
    "celery.serialization_format": ("MsgPack", {"celery_serializer": "msgpack"}),
    "celery.timezone": ("Europe/Berlin", {"celery_timezone": "Europe/Berlin"}),
    "celery.enable_utc": ("0", {"celery_enable_utc": False}),
    "celery.task_track_started": ("0", {"celery_track_started": False}),
    "celery.task_acks_late": ("0", {"celery_acks_late": False}),
    "celery.worker_prefetch_multiplier": ("4", {"celery_prefetch_multiplier": 4}),
    "celery.worker_disable_rate_limits": ("0", {"celery_disable_rate_limits": False}),
    "celery.worker_max_tasks_per_child": ("3", {"celery_max_tasks_per_child": 3}),
    "celery.task_time_limit": ("60", {"celery_time_limit": 60.0}),
    "celery.task_soft_time_limit": ("50", {"celery_soft_time_limit": 50.0}),
    "celery.task_default_retry_delay": ("5", {"celery_retry_delay": 5.0}),
    "celery.worker_autoscaler": ("ours:Scaler", {"celery_autoscaler": "ours:Scaler"}),
    "celery.retry_policy_max_retries": ("5", {"celery_publish_max_retries": 5}),
    "celery.retry_policy_interval_start": ("1", {"celery_publish_interval_start": 1.0}),
    "celery.retry_policy_interval_step": ("2", {"celery_publish_interval_step": 2.0}),
    "celery.retry_policy_interval_max": ("9", {"celery_publish_interval_max": 9.0}),
    "celery.task_max_retries": ("5", {"backend_max_attempts": 6}),
    "file.max_size_mb": ("1.5", {"backend_max_upload": MIB * 3 // 2}),
    "file.allowed_audio_extensions": ("mp3, wav", {"backend_extensions": ["mp3", "wav"]}),
    "file.whisper_model": ("openai/whisper-tiny", {"backend_model": "tiny"}),
    "whisper.device": ("cuda", {"device": "cuda"}),
    "whisper.compute_type": ("float16", {"compute_type": "float16"}),
    "whisper.cpu_threads": ("0", {"engine_threads": 0}),
    "whisper.beam_size": ("1", {"backend_beam_size": 1}),
    "whisper.word_timestamps": ("false", {"backend_word_timestamps": False}),
    "whisper.vad_filter": ("0", {"backend_vad_filter": False}),
    "whisper.vad_min_silence_duration_ms": ("700", {"backend_vad_min_silence_duration_ms": 700}),
    "middleware.cors_origins": (
        "https://a.example,https://b.example",
        {"backend_origins": ["https://a.example", "https://b.example"], "backend_require_origin": False},
    ),
    "middleware.requests_per_minute": ("60", {"backend_requests_per_minute": 60}),
    "middleware.requests_per_hour": ("1000", {"backend_requests_per_hour": 1000}),
    "ALLOWED_ORIGINS": (
        "https://a.example",
        {"backend_origins": ["https://a.example"], "backend_require_origin": True},
    ),
}

PATH: dict[str, tuple[str, dict[str, Any]]] = {
    "UPLOAD_FOLDER": ("/srv/audio", {"path_upload_dir": Path("/srv/audio/uploads"), "storage_url": ""}),
    "MAX_WORKERS": ("3", {"concurrency": 3}),
    "WORKER_TIMEOUT": ("60", {"engine_timeout": 60.0}),
}

STT_WORKER: dict[str, tuple[str, dict[str, Any]]] = {
    "KAFKA_BOOTSTRAP_SERVERS": ("a:9092, b:9093", {"queue_url": "kafka://a:9092,b:9093"}),
    "KAFKA_GROUP_ID": ("group", {"stt_group": "group"}),
    "STT_JOBS_TOPIC": ("jobs", {"stt_jobs_topic": "jobs"}),
    "STT_RESULTS_TOPIC": ("results", {"stt_results_topic": "results"}),
    "STT_DLQ_TOPIC": ("dlq", {"stt_dead_letter_topic": "dlq"}),
    "MODEL_SIZE": ("base", {"stt_model": "base"}),
    "DEVICE": ("CUDA", {"device": "cuda"}),
    "COMPUTE_TYPE": ("float16", {"compute_type": "float16"}),
    "AUDIO_DOWNLOAD_TIMEOUT": ("5", {"stt_download_timeout": 5.0}),
    "TRANSCRIBE_TIMEOUT": ("60", {"stt_attempt_timeout": 60.0}),
    "MAX_AUDIO_BYTES": ("1048576", {"stt_max_bytes": MIB}),
    "MAX_AUDIO_DURATION_SEC": ("60", {"stt_max_audio": 60.0}),
    "MAX_ATTEMPTS": ("5", {"stt_max_attempts": 5}),
    "RETRY_BACKOFF_BASE_MS": ("250", {"stt_backoff_base": 0.25}),
    "RETRY_BACKOFF_MAX_MS": ("1500", {"stt_backoff_max": 1.5}),
    "WORKER_CONCURRENCY": ("3", {"concurrency": 3}),
    "WORKER_QUEUE_MAX": ("9", {"stt_queue_max": 9}),
    "METRICS_PORT": ("9109", {"worker_listen": ["0.0.0.0:9109", "0.0.0.0:8081"]}),
    "HEALTH_PORT": ("8082", {"worker_listen": ["0.0.0.0:9108", "0.0.0.0:8082"]}),
    "TMP_DIR": ("/srv/tmp", {"scratch_dir": Path("/srv/tmp")}),
}

IN_FORCE = {"gateway": GATEWAY, "backend": BACKEND, "path": PATH, "stt-worker": STT_WORKER}

#: What contracts.md says of defaults, where the setting is not one of an address or a place.
DEFAULTS: dict[str, dict[str, Any]] = {
    "gateway": {
        "gateway_max_upload": 104857600, "gateway_model": "small", "device": "cpu", "anonymous": ["gateway-read"],
        "queue_url": "kafka://localhost:9092", "gateway_topic": "audio-transcription",
        "gateway_group": "transcription-workers", "kafka_batch_size": 16384, "kafka_linger": 0.005,
        "kafka_compression": "snappy",
    },
    "backend": {
        "backend_max_upload": 10 * MIB, "backend_model": "base", "backend_max_attempts": 4, "backend_beam_size": 5,
        "backend_word_timestamps": True, "backend_vad_filter": True, "backend_vad_min_silence_duration_ms": 500,
        "backend_modes": ["tiny", "base", "small", "medium", "large-v3", "turbo"], "device": "cpu",
        "compute_type": "int8", "engine_threads": 4, "anonymous": ["backend"], "s3_region": "eu-west-3",
        "redis_channel": "job_updates",
    },
    "path": {"concurrency": 10, "engine_timeout": 300.0, "anonymous": ["path"]},
    "stt-worker": {
        "queue_url": "kafka://localhost:9092", "stt_model": "small", "device": "cpu", "result_retention": 604800.0,
        "concurrency": 1, "kafka_retention": 604800.0, "worker_listen": ["0.0.0.0:9108", "0.0.0.0:8081"],
    },
}  # fmt: skip


def cases() -> list[tuple[str, str]]:
    return [(profile, name) for profile, table in IN_FORCE.items() for name in table]


def test_every_name_is_tried_here() -> None:
    for profile in PROFILES.values():
        without_effect = {alias.name for alias in profile.aliases if not alias.setting}
        assert {alias.name for alias in profile.aliases} == set(IN_FORCE[profile.name]) | without_effect
        assert without_effect <= {"FLASK_THREADED", "database.ref_table", "OTEL_EXPORTER_OTLP_ENDPOINT"}


@pytest.mark.parametrize(("profile", "name"), cases())
@pytest.mark.parametrize("place", ["environment", ".env", "config.ini"])
def test_a_name_is_another_one_of_its_settings_wherever_it_stands(
    tmp_path: Path, profile: str, name: str, place: str
) -> None:
    given, expected = IN_FORCE[profile][name]
    section, dot, key = name.partition(".")
    variable = name.replace(".", "_").upper()
    environment, origin = {}, f"{variable} in the environment"
    if place == "environment":
        environment = {variable: given.partition(" #")[0]}
    elif place == ".env":
        quoted = f"'{given}'" if "p#a" in given else given
        (tmp_path / ".env").write_text(f"{variable}={quoted} # a comment\n")
        origin = f"{variable} in .env"
    elif dot:
        (tmp_path / "config.ini").write_text(f"# old\n[{section}]\n{key} = {given}\t# a comment\n")
        origin = f"config.ini [{section}] {key}"
    else:
        return
    loaded = load({"profile": profile}, environment, tmp_path)
    assert {field: getattr(loaded.settings, field) for field in expected} == expected
    idle = profile == "backend" and next(iter(expected)).startswith(("celery_", "redis_"))
    assert [warning for warning in loaded.warnings if "no effect: the queue is not on Redis" not in warning] == []
    assert bool(loaded.warnings) == idle
    first = next(iter(expected))
    if name != "database.ref_table":
        assert loaded.origins[first] == origin


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_its_table_of_defaults(tmp_path: Path, profile: str) -> None:
    loaded = load({"profile": profile}, {}, tmp_path)
    plain = load({}, {}, tmp_path).settings
    assert {field: getattr(loaded.settings, field) for field in DEFAULTS[profile]} == DEFAULTS[profile]
    assert {loaded.origins[field] for field in DEFAULTS[profile]} == {f"profile {profile}"}
    told = {*DEFAULTS[profile], "listen", "profile"}
    rest = {field for field in type(plain).model_fields if field not in told}
    assert {f: getattr(loaded.settings, f) for f in rest} == {f: getattr(plain, f) for f in rest}
    assert (loaded.settings.database_url, loaded.settings.storage_url) == ("", "")


def test_the_database_is_put_together_from_all_its_parts(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text(
        "[database]\nhost = ::1   # here\nport = 5433\nuser = me\npassword = SECRET_ENV\ndatabase = audio\n"
    )
    loaded = load({"profile": "backend"}, {"SECRET_ENV": "p@ss", "DATABASE_USER": "you"}, tmp_path)
    assert loaded.settings.database_url == "postgresql://you:p%40ss@[::1]:5433/audio"
    assert "config.ini [database] password, which is SECRET_ENV" in loaded.origins["database_url"]
    assert "p@ss" not in loaded.origins["database_url"]
    stated = load({"profile": "backend"}, {"DICTOGRAPH_DATABASE_URL": "sqlite:////x.db"}, tmp_path)
    assert stated.settings.database_url == "sqlite:////x.db"


def test_a_value_that_stands_for_a_variable_is_read_from_it(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text("[file]\nmax_size_mb = LIMIT_ENV\n[aws]\nsecret_key = AWS_SECRET_ENV\n")
    (tmp_path / ".env").write_text("LIMIT_ENV=3\n")
    assert load({"profile": "backend"}, {}, tmp_path).settings.backend_max_upload == 3 * MIB
    assert load({"profile": "backend"}, {"LIMIT_ENV": "4"}, tmp_path).settings.backend_max_upload == 4 * MIB
    (tmp_path / ".env").unlink()
    with pytest.raises(SettingsError, match=r"config.ini \[file\] max_size_mb stands for .* LIMIT_ENV, .* not set"):
        load({"profile": "backend"}, {}, tmp_path)


def test_credentials_of_a_bucket_may_come_from_elsewhere(tmp_path: Path) -> None:
    """As from the role of the machine: the file's variables are not set there."""
    (tmp_path / "config.ini").write_text("[aws]\naccess_key = AWS_KEY_ENV\nsecret_key = AWS_SECRET_ENV\n")
    loaded = load({"profile": "backend"}, {}, tmp_path).settings
    assert (loaded.s3_access_key, loaded.s3_secret_key) == ("", "")


def test_a_section_for_redis_puts_the_queue_there(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text("[redis]\nhost = cache # ours\n[celery]\ntask_time_limit = 60\n")
    loaded = load({"profile": "backend"}, {"REDIS_PASSWORD": "s/cret"}, tmp_path)
    assert loaded.settings.redis_url == "redis://:s%2Fcret@cache:6379/0"
    assert loaded.origins["queue_url"] == "config.ini [redis] host, REDIS_PASSWORD in the environment"
    assert (loaded.settings.celery_time_limit, loaded.warnings) == (60.0, [])
    stated = load({"profile": "backend"}, {"DICTOGRAPH_QUEUE_URL": "database:"}, tmp_path)
    assert stated.settings.redis_url == ""
    (warning,) = stated.warnings
    assert warning.startswith("config.ini [celery] task_time_limit has no effect: the queue is not on Redis")


def test_the_channel_alone_puts_the_queue_nowhere(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text("[redis]\npub_sub_channel = changes\n")
    assert load({"profile": "backend"}, {}, tmp_path).settings.queue_url == "database:"


def test_of_two_brokers_the_one_that_is_named_whole_counts_and_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text("[redis]\nhost = cache\n")
    loaded = load({"profile": "gateway,backend"}, {"KAFKA_BOOTSTRAP_SERVERS": "k:1"}, tmp_path)
    assert loaded.settings.queue_url == "kafka://k:1"
    (warning,) = loaded.warnings
    assert warning.startswith("config.ini [redis] host yields to KAFKA_BOOTSTRAP_SERVERS in the environment: both say")


def test_sections_of_the_later_file_are_told_once_each_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text(
        "[celery:queues:base]\nname = a\nrouting_key = b\n[celery:queues:small]\nname = c\n"
        "[email]\nhost = m\nport = 1\n[database]\nalembic_migration = 1\n"
    )
    assert load({"profile": "backend"}, {}, tmp_path).warnings == [
        "config.ini [celery:queues:base] has no effect: one queue serves all models here.",
        "config.ini [celery:queues:small] has no effect: one queue serves all models here.",
        "config.ini [email] has no effect: mail is sent as DICTOGRAPH_SMTP_URL says.",
        "config.ini [database] alembic_migration has no effect: each start brings the database up to date.",
    ]


@pytest.mark.parametrize(
    ("profile", "variables", "ini", "words"),
    [
        ("gateway", {"MAX_CONTENT_LENGTH": "100MB"}, "", "MAX_CONTENT_LENGTH in the environment cannot be '100MB'"),
        ("gateway", {"MAX_CONTENT_LENGTH": "0"}, "", "MAX_CONTENT_LENGTH in the environment cannot be 0: "),
        ("gateway", {"GATEWAY_PORT": "70000"}, "", "in the environment cannot be '70000': give the number"),
        ("gateway", {"GATEWAY_HOST": "http://x"}, "", "in the environment cannot be 'http://x': give the name"),
        ("gateway", {"GPU_DEVICE": "tpu"}, "", "GPU_DEVICE in the environment cannot be 'tpu'"),
        ("gateway", {"KAFKA_BOOTSTRAP_SERVERS": "u:p@h"}, "", "give the brokers as `kafka://HOST:PORT"),
        ("gateway", {"KAFKA_TOPIC_AUDIO": "a b"}, "", "KAFKA_TOPIC_AUDIO in the environment cannot be 'a b'"),
        ("gateway", {"KAFKA_BATCH_SIZE": "many"}, "", "KAFKA_BATCH_SIZE in the environment cannot be 'many'"),
        ("gateway", {"KAFKA_COMPRESSION_TYPE": "rar"}, "", "give one of none, gzip, snappy, lz4, zstd"),
        ("gateway", {"PORT": "http"}, "", "PORT in the environment cannot be 'http'"),
        ("backend", {}, "[file]\nmax_size_mb = 0\n", "config.ini [file] max_size_mb cannot be '0'"),
        ("backend", {}, "[whisper]\nvad_filter = perhaps\n", "config.ini [whisper] vad_filter cannot be 'perhaps'"),
        ("backend", {}, "[whisper]\nbeam_size = 99\n", "config.ini [whisper] beam_size cannot be 99"),
        ("backend", {}, "[database]\nref_table = jobs\n", "[database] ref_table cannot be 'jobs': the table"),
        ("backend", {}, "[database]\nhost = a/b@c\n", "config.ini [database] host cannot be 'a/b@c'"),
        ("backend", {}, "[celery]\nserialization_format = pickle\n", "give json, yaml or msgpack; with pickle"),
        ("backend", {}, "[celery]\ntimezone = Mars\n", "config.ini [celery] timezone cannot be 'Mars': give the name"),
        ("backend", {}, "[redis]\npub_sub_channel = a b\n", "config.ini [redis] pub_sub_channel cannot be 'a b'"),
        ("backend", {}, "[redis]\nport = -1\n", "config.ini [redis] port cannot be '-1'"),
        ("path", {"MAX_WORKERS": "0"}, "", "MAX_WORKERS in the environment cannot be 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_place(
    tmp_path: Path, profile: str, variables: dict[str, str], ini: str, words: str
) -> None:
    (tmp_path / "config.ini").write_text(ini)
    with pytest.raises(SettingsError) as caught:
        load({"profile": profile}, variables, tmp_path)
    assert words in caught.value.message
