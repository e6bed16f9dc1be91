"""What an error of the client means, in words that name the reason and whose it is."""

from __future__ import annotations

from typing import Any

_WORDS = {
    "_ALL_BROKERS_DOWN": "no broker answers",
    "_TRANSPORT": "no broker answers",
    "_TIMED_OUT": "no broker answers in time",
    "_MSG_TIMED_OUT": "no broker has acknowledged the message in time",
    "_RESOLVE": "the name of the broker cannot be resolved",
    "_AUTHENTICATION": "the broker refuses the user or the password",
    "SASL_AUTHENTICATION_FAILED": "the broker refuses the user or the password",
    "_SSL": "TLS fails",
    "TOPIC_AUTHORIZATION_FAILED": "the user has no right on the topic",
    "GROUP_AUTHORIZATION_FAILED": "the user has no right on the consumer group",
    "CLUSTER_AUTHORIZATION_FAILED": "the user has no right on the cluster",
    "UNKNOWN_TOPIC_OR_PART": "the topic does not exist",
    "_UNKNOWN_TOPIC": "the topic does not exist",
    "_UNKNOWN_PARTITION": "the topic does not exist",
    "MSG_SIZE_TOO_LARGE": "the message is too large for the topic",
    "TOPIC_EXCEPTION": "no topic can have this name",
}

#: Errors that say why nobody is reached. Others that follow from one ("no broker answers") do not replace it.
CAUSES = frozenset({"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "_SSL", "_RESOLVE"})

#: Errors of one message that no repetition helps.
NEVER = frozenset({"MSG_SIZE_TOO_LARGE", "TOPIC_EXCEPTION", "INVALID_RECORD", "_INVALID_ARG", "RECORD_LIST_TOO_LARGE"})

#: Errors that say that a topic has gone.
GONE = frozenset({"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION", "UNKNOWN_TOPIC_ID"})


def in_words(error: Any) -> str:
    """Return the words for a KafkaError, with what the client or the broker itself says."""
    said = str(error.str())
    words = _WORDS.get(error.name())
    return f"{words} ({said})" if words else said


def of(exception: BaseException) -> str:
    """Return the words for an exception of the client."""
    error = exception.args[0] if exception.args else None
    return in_words(error) if hasattr(error, "name") and hasattr(error, "str") else str(exception)


def is_answer(exception: BaseException) -> bool:
    """Return whether a broker has answered with this error, and not the client itself."""
    error: Any = exception.args[0] if exception.args else None
    return hasattr(error, "code") and error.code() > 0
