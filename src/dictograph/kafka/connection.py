"""How a client reaches the brokers: addresses, TLS, user and password, as librdkafka's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dictograph.errors import SettingsError
from dictograph.kafka import client_log
from dictograph.runtime.redaction import HIDDEN

#: The settings of librdkafka that are secret.
_SECRETS = frozenset({"sasl.password", "ssl.key.password"})


@dataclass(frozen=True, slots=True)
class Connection:
    """The brokers, and how to reach them. `servers` is `HOST:PORT[,…]`; `mechanism` is that of SASL, "" without."""

    servers: str
    tls: bool = False
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str = field(default="", repr=False)
    mechanism: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def settings(self) -> dict[str, Any]:
        """Return librdkafka's settings for every kind of client. It is to be back within seconds of its broker."""
        security = ("SASL_" if self.mechanism else "") + ("SSL" if self.tls else "PLAINTEXT")
        given = {
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate_file,
            "ssl.key.location": self.key_file,
            "ssl.key.password": self.key_password,
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.user if self.mechanism else "",
            "sasl.password": self.password if self.mechanism else "",
        }
        return {
            "bootstrap.servers": self.servers,
            "client.id": "dictograph",
            "security.protocol": security,
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": 1000,
            "socket.connection.setup.timeout.ms": 10_000,
            "log.connection.close": False,
            **{name: str(value) for name, value in given.items() if value},
        }

    def masked(self) -> dict[str, Any]:
        """Return the same for people, without secrets."""
        return {name: HIDDEN if name in _SECRETS else value for name, value in self.settings().items()}


def library() -> Any:
    """Return the module `confluent_kafka`. Raises SettingsError when it is not installed."""
    try:
        import confluent_kafka
    except ImportError as error:
        raise SettingsError(
            'Kafka needs the library confluent-kafka, which is not installed: pip install "dictograph[kafka]".'
        ) from error
    return confluent_kafka


def client(kind: str, settings: Mapping[str, Any]) -> Any:
    """Return a client, `Consumer` or `Producer`. Raises SettingsError for settings that cannot be."""
    confluent_kafka = library()
    try:
        return getattr(confluent_kafka, kind)(dict(settings), logger=client_log.QUIET)
    except (confluent_kafka.KafkaException, ValueError) as error:
        raise SettingsError(f"Kafka's client cannot be made: {error}") from error
