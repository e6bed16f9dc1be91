"""The supported kinds of queue, chosen by the URL. No other module depends on which one is in use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dictograph.queue.redis_url import redis_server
from dictograph.runtime.url_scheme import scheme_of, unknown

if TYPE_CHECKING:
    from dictograph.queue import Queue
    from dictograph.store.database import Database


_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_WAYS = ("`database:`", "`kafka://HOST:PORT[,HOST:PORT…]`", "`redis://[:PASSWORD@]HOST[:PORT][/DATABASE]`")
_KAFKA = "kafka"


def open_queue(url: str, database: Database, broker: Queue | None) -> Queue:
    """Return the queue at a URL; `broker` is the queue on a broker, which needs settings of its own. Raises ValueError
    when there is no such kind, or the URL does not fit it."""
    check_queue_url(url)
    if broker is not None:
        return broker
    from dictograph.queue.database import DatabaseQueue  # settings are checked by commands that need no queue

    return DatabaseQueue(database)


def check_queue_url(url: str) -> str:
    """Return the URL unchanged. Raises ValueError like `open_queue`."""
    match scheme_of(url):
        case "database":
            if url.strip().partition(":")[2]:
                raise ValueError("nothing stands behind `database:`, which is the database of the settings")
        case "kafka":
            kafka_servers(url)
        case "redis" | "rediss":
            redis_server(url)
        case scheme:
            raise unknown(scheme or url.strip(), "queue", _WAYS)
    return url


def kafka_servers(url: str) -> str:
    """Return the brokers of a URL, `HOST:PORT[,…]`; "" for another kind of queue. Raises ValueError."""
    if scheme_of(url) != _KAFKA:
        return ""
    servers = url.strip().partition(":")[2].removeprefix("//").rstrip("/").split(",")
    for server in servers:
        if not _SERVER.fullmatch(server.strip()):
            raise ValueError("give the brokers as `kafka://HOST:PORT[,HOST:PORT…]`, without user or password")
    return ",".join(server.strip() for server in servers)
