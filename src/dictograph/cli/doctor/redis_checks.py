"""The check of `dictograph doctor` for Redis."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from dictograph.cli.doctor.findings import Result, Verdict
from dictograph.queue.celery_tasks import TASK, lists_of
from dictograph.redis import reasons
from dictograph.redis.connection import celery_library, client, library, place_of
from dictograph.redis.server import KEEPS_ALL, ServerState, state_of
from dictograph.settings.model import Settings

#: The number of messages that are looked at.
_SOME = 100

_REACH = "Check DICTOGRAPH_QUEUE_URL (host, port, user, password, database; rediss:// for TLS), and whether Redis runs."
_WRITE = "Name the master in DICTOGRAPH_QUEUE_URL, or give Redis more memory. Until then jobs are done all the same."
_KEEP = f"Set `maxmemory-policy {KEEPS_ALL}` in redis.conf: else Redis removes messages and results by itself."
_TIDY = "Workers cannot run them. Name another queue in DICTOGRAPH_CELERY_QUEUE, or remove them."
_TRUST = "Name who vouches for Redis: `rediss://…?ssl_ca_certs=FILE`."


def redis(settings: Settings) -> Result:
    """Check that Redis answers, takes writes, forgets nothing, and has only messages that workers know."""
    if not settings.redis_url:
        return Verdict.OK, "not used", ""
    celery_library()
    place, connection = place_of(settings.redis_url), client(settings.redis_url)
    try:
        state = state_of(connection, lists_of(settings.celery_queue))
        strange = _strange(connection, settings.celery_queue)
    except (library().RedisError, OSError) as error:
        return Verdict.FAIL, f"Redis at {place} cannot be used: {reasons.of(error)}", _REACH
    finally:
        with contextlib.suppress(Exception):
            connection.close()
    version = f"Redis {state.version}".strip()
    return _result(settings, f"{version} at {place}, messages in {settings.celery_queue}", state, strange)


def _result(settings: Settings, told: str, state: ServerState, strange: int) -> Result:
    told = f"{told}: {state.length}"
    if state.trouble:
        return Verdict.FAIL, f"{told}; {state.trouble}", _WRITE
    if strange:
        return Verdict.WARN, f"{told}; of the next {_SOME}, {strange} are not for our task", _TIDY
    if state.forgets:
        return Verdict.WARN, f"{told}; it forgets keys when its memory is full ({state.policy})", _KEEP
    if "ssl_cert_reqs=none" in settings.redis_url:
        return Verdict.WARN, f"{told}; anybody on the way can pretend to be this Redis", _TRUST
    return Verdict.OK, told, ""


def _strange(connection: Any, queue: str) -> int:
    """Return how many of the next messages are not for our task, or are no messages at all."""
    return sum(not _is_ours(item) for item in connection.lrange(queue, -_SOME, -1))


def _is_ours(item: bytes) -> bool:
    try:
        return bool(json.loads(item)["headers"]["task"] == TASK)
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
