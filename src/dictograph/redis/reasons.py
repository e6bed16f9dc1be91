"""What an error of the client means, in words that name the reason and whose it is."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

#: How the server's own answers begin, and what they mean.
_ANSWERS = {
    "WRONGPASS": "it refuses the user or the password",
    "invalid username-password pair": "it refuses the user or the password",
    "invalid password": "it refuses the password",
    "NOAUTH": "it wants a password",
    "Authentication required": "it wants a password",
    "HELLO must be called with the client already authenticated": "it wants a password",
    "without any password configured": "it has no password, and one was given",
    "NOPERM": "the user has no right",
    "user has no permissions": "the user has no right",
    "READONLY": "it is a replica that takes no writes",
    "You can't write against a read only replica": "it is a replica that takes no writes",
    "OOM": "it is out of memory",
    "command not allowed when used memory": "it is out of memory",
    "LOADING": "it still loads its data",
    "loading the dataset": "it still loads its data",
    "MASTERDOWN": "it is a replica without its master",
    "MISCONF": "it cannot write its own data to disk",
    "NOREPLICAS": "it has too few replicas",
    "max number of clients": "it has too many clients",
    "DB index is out of range": "it has no database of this number",
    "WRONGTYPE": "another program uses the name of the queue for something else",
}

#: How the client's errors of the connection begin, and what they mean.
_CONNECTION = {
    "Connection refused": "nothing listens there",
    "Name or service not known": "the name of the host cannot be resolved",
    "name resolution": "the name of the host cannot be resolved",
    "No address associated": "the name of the host cannot be resolved",
    "CERTIFICATE_VERIFY_FAILED": "TLS fails: its certificate is not trusted",
    "certificate": "TLS fails",
    "SSL": "TLS fails",
    "Timeout": "it does not answer in time",
    "timed out": "it does not answer in time",
    "Connection closed": "it has closed the connection",
    "Connection reset": "it has closed the connection",
}


def of(error: BaseException) -> str:
    """Return the words for an error of a client of Redis, with what the client or the server itself says."""
    causes = list(_causes(error))
    for cause in causes:
        said = str(cause)
        for sign, words in (*_ANSWERS.items(), *_CONNECTION.items()):
            if sign in said:
                return f"{words} ({_short(said)})"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return f"TLS fails ({_short(str(causes[0]))})"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"the name of the host cannot be resolved ({_short(str(causes[0]))})"
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return "it does not answer in time"
    return _short(str(error)) or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, and what it was raised from."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _short(said: str) -> str:
    return " ".join(said.split())[:300].rstrip(".")
