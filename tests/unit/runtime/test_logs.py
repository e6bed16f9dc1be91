"""Log lines keep their form and their secrets."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest

from dictograph.runtime.logs import configure
from dictograph.runtime.redaction import is_secret, redacted

log = logging.getLogger("dictograph.worker.runner")


def written(level: str, format: str) -> io.StringIO:
    stream = io.StringIO()
    configure(level, format, stream)  # type: ignore[arg-type]
    return stream


def test_text_is_a_line_for_people() -> None:
    stream = written("info", "text")
    log.info("job %s has ended", "7")
    log.debug("not said")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d info    worker\.runner: job 7 has ended\n", stream.getvalue())


def test_a_message_cannot_forge_a_second_line() -> None:
    stream = written("info", "text")
    log.info("file %s", "a\n2026-01-01 00:00:00 error forged\x1b[31m\u2028")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\\n2026" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_json_is_an_object_a_line_with_extras_and_traceback() -> None:
    stream = written("debug", "json")
    log.debug("first\nstill first", extra={"job": "7", "seconds": 1.5})
    try:
        raise ValueError("wrong")
    except ValueError:
        log.exception("second")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "debug",
        "logger": "dictograph.worker.runner",
        "message": "first\nstill first",
        "job": "7",
        "seconds": 1.5,
    }
    assert "ValueError: wrong" in second["exception"]


@pytest.mark.parametrize("format", ["text", "json"])
def test_passwords_are_masked_in_messages_extras_and_tracebacks(format: str) -> None:
    stream = written("info", format)
    try:
        raise ValueError("postgresql://me:hunter2@db/x")
    except ValueError:
        log.exception("at redis://:hunter2@host", extra={"url": "kafka://u:hunter2@h"})
    assert "hunter2" not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_the_last_call_counts() -> None:
    first, second = written("info", "text"), written("warning", "text")
    log.info("quiet")
    log.warning("loud")
    assert first.getvalue() == ""
    assert second.getvalue().count("loud") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql+psycopg://me:p%40ss@host:5432/db", "postgresql+psycopg://me:***@host:5432/db"),
        ("see https://a/b?X-Amz-Signature=abc&x=1", "see https://a/b?X-Amz-Signature=***&x=1"),
        (f"of dg_0123456789ab_{'x' * 43}.", "of dg_0123456789ab_***."),
        ("/v1/transcriptions/1/events?ticket=dt_W3.a-_b&after=2", "/v1/transcriptions/1/events?ticket=***&after=2"),
        ("the ticket dt_W3.a-_b is old", "the ticket dt_*** is old"),
        ("Authorization: Bearer sk-proj-1", "Authorization: Bearer ***"),
        ("{'x-api-key': 'mine', 'a': 'b'}", "{'x-api-key': '***', 'a': 'b'}"),
        ("https://host:8000/a@b", "https://host:8000/a@b"),
        ("sqlite:////data/dictograph.db", "sqlite:////data/dictograph.db"),
        ("at 12:30 you@example.org", "at 12:30 you@example.org"),
    ],
)
def test_only_secrets_are_masked(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_names_of_secrets() -> None:
    assert [name for name in ("api_keys", "s3_secret", "key", "keyboard", "listen") if is_secret(name)] == [
        "api_keys",
        "s3_secret",
        "key",
    ]
