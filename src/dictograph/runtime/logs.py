"""Log lines on standard error: for people, or one JSON object a line. Secrets in URLs are masked."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from dictograph.runtime.redaction import redacted

#: Libraries that log every request at INFO, which is DEBUG here.
_TALKATIVE = ("alembic", "asyncio", "httpcore", "httpx", "huggingface_hub", "filelock", "urllib3", "uvicorn")

#: Libraries that warn about input of clients. The clients get an answer, and could otherwise fill the log.
_WARNING_OF_CLIENTS = ("python_multipart",)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def configure(level: str, format: Literal["text", "json"], stream: TextIO | None = None) -> None:
    """Send the log records of `level` ("debug", "info", …) and above to `stream`, by default stderr.

    May be called again; only the last call counts.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _WARNING_OF_CLIENTS:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.ERROR)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.WARNING)


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00 info    worker.runner: words`, in local time; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        name = record.name.removeprefix("dictograph.")
        line = f"{time} {record.levelname.lower():<7} {name}: {_on_one_line(record.getMessage())}"
        if trace := _trace(self, record):
            line += f"\n{trace}"
        return redacted(line)


class JsonFormatter(logging.Formatter):
    """`time` (ISO 8601, UTC), `level`, `logger`, `message`, what was given as `extra`, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        shape: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        shape |= {name: redacted(value) if isinstance(value, str) else value for name, value in extra.items()}
        if trace := _trace(self, record):
            shape["exception"] = redacted(trace)
        return json.dumps(shape, default=str)


def _on_one_line(message: str) -> str:
    # Text from clients (file names, say) must not look like a separate log line.
    return _CONTROL.sub(lambda sign: repr(sign[0])[1:-1], message)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
