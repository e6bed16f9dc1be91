"""`dictograph topics`: the topics on Kafka."""

from __future__ import annotations

import json

import click

from dictograph.cli.options import effective, option
from dictograph.errors import SettingsError
from dictograph.kafka.topics import Topics
from dictograph.kafka_setup import connection_of, contract_topics, make_topics
from dictograph.runtime import logs
from dictograph.settings.model import Settings


@click.group()
def topics() -> None:
    """Create, list, delete, test Kafka topics.

    The brokers are those of DICTOGRAPH_QUEUE_URL, or of an older system with --profile.

    \b
    dictograph topics create --profile gateway
    """


@topics.command()
@click.option("--all", "everything", is_flag=True, help="Also those for results and errors that an old gateway had.")
@option("profile")
def create(everything: bool, profile: str | None) -> None:
    """Create the topics that the profiles need, unless they exist."""
    logs.configure("info", "text")
    settings = kafka_settings(effective(profile=profile))
    specs = contract_topics(settings, everything=everything)
    if not specs:
        raise SettingsError("No profile is selected that needs a topic: give `--profile gateway`, for example.")
    make_topics(settings, specs)


@topics.command("list")
@option("profile", "as_json")
def list_(profile: str | None, as_json: bool) -> None:
    """List all topics that this user may see."""
    names = Topics(connection_of(kafka_settings(effective(profile=profile)))).names()
    click.echo(json.dumps(names) if as_json else "\n".join(names))


@topics.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@option("profile")
def delete(name: str, yes: bool, profile: str | None) -> None:
    """Delete a topic, with all its messages."""
    settings = kafka_settings(effective(profile=profile))
    if not yes:
        click.confirm(f"Delete the topic {name} with all its messages?", abort=True)
    Topics(connection_of(settings)).delete(name)
    click.echo(f"Topic '{name}' deleted")


@topics.command("show-config")
@option("profile")
def show_config(profile: str | None) -> None:
    """Show the effective configuration of the client, without secrets."""
    settings = kafka_settings(effective(profile=profile))
    lines = {**connection_of(settings).masked(), "topics": ", ".join(one.name for one in contract_topics(settings))}
    click.echo("\n".join(f"{name} = {value}" for name, value in lines.items()))


@topics.command()
@option("profile")
def test(profile: str | None) -> None:
    """Test the connection: exit code 1 when no broker can be used, with the reason."""
    settings = kafka_settings(effective(profile=profile))
    names = Topics(connection_of(settings)).names()
    missing = [one.name for one in contract_topics(settings) if one.name not in names]
    click.echo(f"Connected to {connection_of(settings).servers}, {len(names)} topics")
    if missing:
        click.echo(f"Not there yet: {', '.join(missing)} (`dictograph topics create` makes them)")


def kafka_settings(settings: Settings) -> Settings:
    """Return the settings. Raises SettingsError when the queue is not on Kafka."""
    if not settings.brokers:
        raise SettingsError("The queue is not on Kafka: set DICTOGRAPH_QUEUE_URL=kafka://HOST:PORT, or give a profile.")
    return settings
