"""`dictograph webhooks`: the delivery log, sending again, and the secrets that sign webhooks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from dictograph.api.native.webhooks import delivery_view, secret_view
from dictograph.cli.options import option
from dictograph.cli.service_database import check_database, service_settings
from dictograph.cli.text.text_table import clipped, table
from dictograph.errors import DictographError
from dictograph.job import LOCAL_OWNER
from dictograph.net.addresses import AllowList
from dictograph.runtime.redaction import redacted
from dictograph.service.webhooks import ALLOWED_BY, LONGEST_OVERLAP_S, OVERLAP_S, Webhooks
from dictograph.settings.model import Settings
from dictograph.store.database import Database
from dictograph.store.webhooks.delivery_log import Wanted
from dictograph.store.webhooks.receiver_secrets import Secret
from dictograph.webhooks.delivery import Delivery, DeliveryState
from dictograph.webhooks.sender import WebhookSender

T = TypeVar("T")

_WIDTH = 50
_START_IT = "start the service, which creates it"
_owner = click.option(
    "--owner", default=LOCAL_OWNER, show_default=True, help="The owner whose secrets sign the webhooks."
)
_data_dir = click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="The data folder.")


@click.group()
def webhooks() -> None:
    """List, resend, test webhooks; show their secrets.

    These commands work on the database of the settings, or of --data-dir; no service needs to run. But only workers
    send webhooks.
    """


@webhooks.command()
@click.option("--job", "job_id", help="Only webhooks of this job.")
@click.option(
    "--state", type=click.Choice([state.value for state in DeliveryState]), help="Only webhooks in this state."
)
@click.option("--owner", help="Only webhooks of this owner.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="The most webhooks to list."
)
@option("as_json")
@_data_dir
def deliveries(
    job_id: str | None, state: str | None, owner: str | None, limit: int, as_json: bool, data_dir: Path | None
) -> None:
    """List the webhooks that were sent or will be sent, newest first."""
    wanted = Wanted(job_id, DeliveryState(state) if state else None, limit=limit)
    page = _ask(service_settings(data_dir=data_dir), lambda asked: asked.deliveries(owner, wanted))
    if as_json:
        shapes = [delivery_view(one).model_dump(mode="json") for one in page.deliveries]
        click.echo(json.dumps(shapes, indent=2))
        return
    click.echo(table(("ID", "STATE", "ATTEMPTS", "TYPE", "TO", "NEXT", "LAST"), [_row(one) for one in page.deliveries]))


@webhooks.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@_data_dir
def redeliver(ids: tuple[str, ...], data_dir: Path | None) -> None:
    """Send webhooks again, in whatever state they are. The webhook-id stays the same, so receivers recognise them."""

    async def work(asked: Webhooks) -> bool:
        return all([await _again(asked, id) for id in ids])

    if not _ask(service_settings(data_dir=data_dir), work):
        raise click.exceptions.Exit(1)


@webhooks.command()
@click.argument("url")
@_owner
@_data_dir
def test(url: str, owner: str, data_dir: Path | None) -> None:
    """Send a `webhook.test` to a URL now, once, and show the answer's status."""
    settings = service_settings(data_dir=data_dir)
    sender = WebhookSender(AllowList.parse(settings.webhook_allow, ALLOWED_BY), settings.webhook_timeout)
    outcome = _ask(settings, lambda asked: asked.ping(owner, url, sender))
    if outcome.error is not None:
        click.echo(f"dictograph: {outcome.error}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"delivered: {outcome.status}")


@webhooks.group()
def secret() -> None:
    """Show and rotate the secrets that sign webhooks."""


@secret.command()
@_owner
@option("as_json")
@_data_dir
def show(owner: str, as_json: bool, data_dir: Path | None) -> None:
    """Show the secrets in force, the current one first. The first call creates one."""
    _show(_ask(service_settings(data_dir=data_dir), lambda asked: asked.secrets(owner)), as_json)


@secret.command()
@_owner
@click.option(
    "--overlap", type=click.FloatRange(0, LONGEST_OVERLAP_S / 3600), default=OVERLAP_S / 3600, show_default=True,
    help="Hours in which the old secrets still sign, together with the new one; 0 if others know the old ones.",
)  # fmt: skip
@option("as_json")
@_data_dir
def rotate(owner: str, overlap: float, as_json: bool, data_dir: Path | None) -> None:
    """Create a new secret. For some time webhooks have the signatures of the old and the new one."""
    _show(_ask(service_settings(data_dir=data_dir), lambda asked: asked.rotate(owner, overlap * 3600)), as_json)


def _ask(settings: Settings, query: Callable[[Webhooks], Awaitable[T]]) -> T:
    check_database(settings, _START_IT)

    async def run() -> T:
        database = Database.open(settings.database, settings.database_pool)
        try:
            return await query(Webhooks(database))
        finally:
            await database.close()

    return asyncio.run(run())


async def _again(asked: Webhooks, id: str) -> bool:
    try:
        await asked.redeliver(None, id)
    except DictographError as error:
        click.echo(f"dictograph: {id}: {error.message}", err=True)
        return False
    click.echo(f"{id} pending")
    return True


def _show(found: list[Secret], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([secret_view(one).model_dump(mode="json") for one in found], indent=2))
        return
    for one in found:
        click.echo(one.secret if one.retires_at is None else f"{one.secret}  until {_time(one.retires_at)}")


def _row(one: Delivery) -> tuple[str, ...]:
    last = one.last_error or ("" if one.status_code is None else str(one.status_code))
    to, then = clipped(redacted(one.url), _WIDTH), one.next_attempt_at
    return one.id, str(one.state), str(one.attempts), one.type, to, _time(then) if then else "–", clipped(last, _WIDTH)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")
