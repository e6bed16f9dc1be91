"""How old systems wrote values, and what is made of them. What cannot be is a ValueError that says what to give."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from dictograph.runtime.url_scheme import plain_folder

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_OPENAI = "openai/whisper-"


def whole(text: str) -> int:
    """A number without a sign or fraction."""
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError("give a whole number")
    return int(text)


def port(text: str) -> int:
    """The number of a port."""
    if (number := whole(text)) > 65535:
        raise ValueError("give the number of a port, 0 to 65535")
    return number


def megabytes(text: str) -> int:
    """Bytes of so many MB of 1,048,576."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) or not float(text):
        raise ValueError("give a number of MB, above 0")
    return int(float(text) * 2**20)


def attempts(text: str) -> int:
    """Of so many retries: the first attempt is none."""
    return whole(text) + 1


def switch(text: str) -> bool:
    """Yes or no."""
    if text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    raise ValueError("give true or false")


def lower(text: str) -> str:
    """In small letters."""
    return text.lower()


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words, in small or large letters."""

    def check(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"give one of {', '.join(words)}")
        return text.lower()

    return check


def host(text: str) -> str:
    """A host's name or address; that of IPv6 comes with brackets."""
    if not _HOST.fullmatch(text):
        raise ValueError("give the name or address of a host")
    return f"[{text.strip('[]')}]" if ":" in text else text


def folder(text: str) -> str:
    """An absolute folder."""
    return str(plain_folder(text))


def uploads(text: str) -> str:
    """The folder of uploads below an absolute folder, which may also hold the audio of jobs: that is nobody's path."""
    return str(Path(folder(text)) / "uploads")


def model(text: str) -> str:
    """A model by our name for it: `openai/whisper-SIZE` is the converted model of that size."""
    return text[len(_OPENAI) :] if text.lower().startswith(_OPENAI) else text


def bucket(text: str) -> str:
    """The URL of a bucket by its name."""
    if "/" in text or ":" in text:
        raise ValueError("give the name of a bucket")
    return f"s3://{text}"


def the_table(text: str) -> str:
    """The name of the table of jobs, which is always the same."""
    if text != "transcription_job":
        raise ValueError("the table is always transcription_job; rename yours before the first start")
    return text


def database_url(pieces: Mapping[str, str]) -> str:
    """The URL of the database whose parts were given; those that were not are the old system's."""
    part = {
        "database": "audiotext", "host": "postgres", "port": "5432", "user": "postgres", "password": "postgres"
    } | dict(pieces)  # fmt: skip
    user, password, name = (quote(part[key], safe="") for key in ("user", "password", "database"))
    return f"postgresql://{user}:{password}@{part['host']}:{part['port']}/{name}"


def milliseconds(text: str) -> float:
    """Seconds of so many milliseconds."""
    return whole(text) / 1000


def brokers(text: str) -> str:
    """The URL of a queue on these brokers, `HOST:PORT[,…]`."""
    return "kafka://" + ",".join(server.strip() for server in text.split(","))


def redis_url(pieces: Mapping[str, str]) -> str:
    """The URL of the Redis whose parts were given; those that were not are the old system's."""
    part = {"host": "redis", "port": "6379", "password": ""} | dict(pieces)
    password = f":{quote(part['password'], safe='')}@" if part["password"] else ""
    return f"redis://{password}{part['host']}:{part['port']}/0"


def serializer(text: str) -> str:
    """How Celery's messages are written."""
    if text.lower() not in ("json", "yaml", "msgpack"):
        raise ValueError("give json, yaml or msgpack; with pickle, whoever can write to Redis runs code in a worker")
    return text.lower()
