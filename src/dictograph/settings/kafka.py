"""The settings of the Kafka client. The brokers are those of `DICTOGRAPH_QUEUE_URL`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from dictograph.settings.values import Bytes, Folder, Seconds

#: A name that a topic or a group can have, or none: no two of these characters are the same to Kafka's metrics.
NAME = r"^[A-Za-z0-9._-]{0,249}$"


class KafkaSettings(BaseModel):
    """The settings of the Kafka client, and of the topics that it makes."""

    # --- Kafka
    kafka_tls: bool = Field(False, description="Whether brokers are reached by TLS.")
    kafka_ca_file: Folder | None = Field(
        None, description="The file with certificates that vouch for the brokers; empty: the system's."
    )
    kafka_certificate_file: Folder | None = Field(None, description="The file with this client's own certificate.")
    kafka_key_file: Folder | None = Field(None, description="The file with the key of that certificate.")
    kafka_key_password: str = Field("", description="The password of that key.")
    kafka_sasl: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "", description="How user and password are proved to the brokers; empty: there are none."
    )
    kafka_user: str = Field("", description="The user, with `DICTOGRAPH_KAFKA_SASL`.")
    kafka_password: str = Field("", description="The user's password.")
    kafka_protocol: Literal["classic", "consumer"] = Field(
        "classic",
        description="The protocol of consumer groups: `consumer` is that of KIP-848, whose session time-out is the "
        "broker's.",
    )
    kafka_instance: str = Field(
        "",
        pattern=NAME,
        description="The name of this worker for static membership of its group, another one for each worker. A broker "
        "that is killed may shut such a worker out until it is restarted, so better none.",
    )
    kafka_session: Seconds = Field(
        6, ge=1, description="A consumer that was not heard of for this time loses its partitions."
    )
    kafka_max_poll: Seconds = Field(
        300,
        ge=6,
        description="The most time in which a worker finishes with partitions that another one gets; the other one "
        "waits for it.",
    )
    kafka_partitions: int = Field(1, ge=1, le=10_000, description="The partitions of a topic that is made.")
    kafka_replication: int = Field(1, ge=1, le=100, description="The replicas of a topic that is made.")
    kafka_retention: Seconds = Field(
        86400, description="How long a topic that is made keeps its messages; 0: as the broker's own topics."
    )
    kafka_max_message: Bytes = Field(
        1_000_000, ge=1000, le=1_000_000_000, description="The largest message that is sent, key and headers included."
    )
    kafka_batch_size: Bytes = Field(1_000_000, ge=1, description="The most bytes of messages that are sent together.")
    kafka_linger: Seconds = Field(0.005, le=900, description="How long a message waits for others to be sent with.")
    kafka_compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        "none", description="How messages are compressed."
    )
    kafka_wake_topic: str = Field(
        "",
        pattern=NAME,
        description="The topic that wakes workers; empty: one that is named after the database. Workers of one "
        "database have the same.",
    )
