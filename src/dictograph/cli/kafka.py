"""`dictograph kafka`: a test job for the worker on Kafka, and its results."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import click

from dictograph.broker import Outgoing
from dictograph.cli.options import effective, option
from dictograph.cli.topics import kafka_settings
from dictograph.errors import BrokerUnavailable
from dictograph.kafka.reading import read
from dictograph.kafka_setup import connection_of, producer_of
from dictograph.settings.model import Settings


@click.group()
def kafka() -> None:
    """Publish a test job to Kafka, print results.

    \b
    dictograph kafka produce --profile stt-worker --audio-url https://example.org/talk.mp3
    dictograph kafka results --profile stt-worker --max-messages 1
    """


@kafka.command()
@click.option("--audio-url", required=True, help="The address of the audio.")
@click.option("--job-id", help="The id of the job; by default a new one.")
@click.option("--language", help="The language of the audio, as in `en-IN`; by default it is detected.")
@option("profile")
def produce(audio_url: str, job_id: str | None, language: str | None, profile: str | None) -> None:
    """Publish a job, and print its id."""
    settings = kafka_settings(effective(profile=profile))
    id = job_id or str(uuid4())
    job = {
        "jobId": id,
        "taskId": str(uuid4()),
        "audioUrl": audio_url,
        "languageHint": language,
        "createdAt": datetime.now(UTC).isoformat(),
        "correlationId": str(uuid4()),
    }
    message = Outgoing(settings.stt_jobs_topic, id.encode(), json.dumps(job, ensure_ascii=False).encode())
    asyncio.run(_send(settings, message))
    click.echo(id)


@kafka.command()
@click.option(
    "--max-messages", type=click.IntRange(1), default=10, show_default=True, help="The most results to print."
)
@click.option("--wait", type=click.FloatRange(0.1), default=30.0, show_default=True, help="Seconds without a result.")
@option("profile")
def results(max_messages: int, wait: float, profile: str | None) -> None:
    """Print results from the beginning of their topic, one JSON object on each line.

    It ends after so many, or when no other has come for --wait seconds.
    """
    settings = kafka_settings(effective(profile=profile))
    for message in read(connection_of(settings), settings.stt_results_topic, max_messages, wait):
        click.echo((message.value or b"").decode("utf-8", "replace"))


async def _send(settings: Settings, message: Outgoing) -> None:
    producer = producer_of(settings)
    (sent,) = await producer.send([message])
    await producer.close()
    if sent.error is not None:
        raise BrokerUnavailable(f"The job was not published: {sent.error}.")
