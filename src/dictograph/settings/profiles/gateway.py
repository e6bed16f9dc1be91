"""The gateway: uploads over HTTP, news by WebSocket, a Kafka topic between the two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dictograph.contract import Address, Contract
from dictograph.settings.profiles.table import Alias, Listener, Profile
from dictograph.settings.profiles.values import brokers, folder, host, lower, milliseconds, model, one_of, port, whole

PROFILE = Profile(
    contract=Contract.GATEWAY,
    listeners=(
        Listener("127.0.0.1", 5000, "GATEWAY_HOST", "GATEWAY_PORT"),
        Listener("127.0.0.1", 8765, "WEBSOCKET_HOST", "WEBSOCKET_PORT"),
    ),
    anonymous=("gateway-read",),
    defaults={
        "queue_url": "kafka://localhost:9092",
        "gateway_topic": "audio-transcription",
        "gateway_group": "transcription-workers",
        "kafka_batch_size": 16384,
        "kafka_linger": 0.005,
        "kafka_compression": "snappy",
        "gateway_max_upload": 104857600,
        "gateway_model": "small",
        "device": "cpu",
    },
    aliases=(
        Alias("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092", "queue_url", brokers),
        Alias("KAFKA_TOPIC_AUDIO", "audio-transcription", "gateway_topic"),
        Alias("KAFKA_CONSUMER_GROUP", "transcription-workers", "gateway_group"),
        Alias("KAFKA_BATCH_SIZE", "16384", "kafka_batch_size", whole),
        Alias("KAFKA_LINGER_MS", "5", "kafka_linger", milliseconds),
        Alias(
            "KAFKA_COMPRESSION_TYPE",
            "snappy",
            "kafka_compression",
            one_of("none", "gzip", "snappy", "lz4", "zstd"),
        ),
        Alias("API_KEY", "", "gateway_api_key"),
        Alias(
            "UPLOAD_FOLDER",
            "/tmp/audio",  # noqa: S108 - what the old system did, and is told here; nothing is written there
            "storage_url",
            folder,
            says="the folder is made; without the variable audio is in the data folder, since what is in `/tmp` may "
            "be gone after a restart",
        ),
        Alias("MAX_CONTENT_LENGTH", "104857600", "gateway_max_upload", whole),
        Alias("GATEWAY_HOST", "127.0.0.1", "listen", host, piece="host"),
        Alias("GATEWAY_PORT", "5000", "listen", port, piece="port"),
        Alias("WEBSOCKET_HOST", "127.0.0.1", "listen", host, piece="host"),
        Alias("WEBSOCKET_PORT", "8765", "listen", port, piece="port"),
        Alias(
            "MODEL_ID",
            "openai/whisper-small",
            "gateway_model",
            model,
            says="`openai/whisper-SIZE` is the size; a size, a repository of converted weights or a folder is taken "
            "as it is",
        ),
        Alias("GPU_DEVICE", "cpu", "device", lower),
        Alias("FLASK_THREADED", "", says="accepted, and has no effect"),
    ),
)


#: What it logged about a model that could not be loaded: name, reason. Its operators' scripts wait for the line.
MODEL_FAILED = "Failed to load AI model: %s: %s"


def listening(addresses: Sequence[Address], socket: Address | None) -> Iterator[str]:
    """What the old system said when it took connections: for HTTP on the first of these addresses that is its own, and
    for the WebSocket."""
    own = [address for address in addresses if address.first is Contract.GATEWAY] or list(addresses)
    if own:
        yield f"Starting Audio-Gateway on {own[0].authority}"
    if socket is not None:
        yield f"Starting WebSocket server on {socket.authority}"


def working() -> Iterator[str]:
    """What its worker said when it began."""
    yield "Starting Transcription Service..."
