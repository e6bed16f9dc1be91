"""`dictograph keys`: the keys of those who may call the service."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import TypeAdapter, ValidationError

from dictograph.cli.options import option
from dictograph.cli.service_database import check_database, service_settings
from dictograph.cli.text.text_table import clipped, table
from dictograph.database_setup import prepare_database
from dictograph.errors import DictographError
from dictograph.job import LOCAL_OWNER
from dictograph.service.auth.access import Scope
from dictograph.service.auth.keys import Issued, KeyRequest, Keys
from dictograph.settings.model import Settings
from dictograph.settings.values import Seconds
from dictograph.store.database import Database
from dictograph.store.keys import Key, KeyRates

T = TypeVar("T")

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
#: A number without a unit, which the user may have meant in days; 0 needs no unit.
_BARE = re.compile(r"\s*\d*[1-9]\d*(\.\d*)?\s*|\s*0*\.\d*[1-9]\d*\s*")
_MAKE_ONE = "create one before the service's first start with `dictograph keys create --init`"
_seconds = TypeAdapter[float](Seconds)


class _Time(click.ParamType[float]):
    """A duration (`90d`), or the date at which it ends; converted to seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, str) and _BARE.fullmatch(value):
            self.fail(f"{value!r} has no unit: give 90d, 12h or 90s.", param, ctx)
        try:
            if isinstance(value, str) and _DATE.match(value):
                end = datetime.fromisoformat(value)
                value = ((end if end.tzinfo else end.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
            return _seconds.validate_python(value)
        except (ValueError, ValidationError):
            self.fail(f"{value!r} is neither a duration (90d, 12h) nor a date in the future (2030-01-31).", param, ctx)


_expires = click.option(
    *("--expires", "lives"),
    type=_Time(),
    metavar="TIME",
    help="How long the key is valid (`90d`), or a date up to which it is; else for ever.",
)


@click.group()
def keys() -> None:
    """Create, list, revoke, rotate keys.

    Once there is a key, the service refuses every caller without one. These commands work on the database of the
    settings; a service that runs on it obeys them at once.

    \b
    dictograph keys create --owner alice --name laptop
    dictograph keys list
    """


@keys.command()
@click.option(
    "--owner",
    default=LOCAL_OWNER,
    show_default=True,
    metavar="NAME",
    help="The owner whose jobs the key creates and sees; jobs created without a key belong to `local`.",
)
@click.option("--name", default="", metavar="TEXT", help="A note for people: what the key is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    default=("transcribe", "read"),
    show_default=True,
    help="What the key allows; may be repeated.",
)
@_expires
@click.option(
    *("--rate", "rates"), multiple=True, metavar="RATE", help="The most requests, as in `600/minute`; may be repeated."
)
@click.option(
    *("--job-rate", "job_rates"),
    multiple=True,
    metavar="RATE",
    help="The most new jobs, as in `100/hour`; may be repeated.",
)
@click.option("--webhook-url", metavar="URL", help="The URL that is called when one of the key's jobs ends.")
@click.option("--init", is_flag=True, help="Create the database if there is none: before the service's first start.")
@option("data_dir", "as_json")
def create(
    owner: str,
    name: str,
    scopes: tuple[str, ...],
    lives: float | None,
    rates: tuple[str, ...],
    job_rates: tuple[str, ...],
    webhook_url: str | None,
    init: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Create a key and show it. It is shown only once.

    Without --rate and --job-rate the limits of the settings apply.
    """
    wanted = KeyRequest(
        owner, name, [Scope(scope) for scope in scopes], lives, KeyRates(rates or None, job_rates or None), webhook_url
    )
    settings = service_settings(data_dir=data_dir)
    if init:
        prepare_database(settings)
    _show_new(_ask(settings, lambda client: client.create(wanted)), as_json)


@keys.command("list")
@click.option("--owner", metavar="NAME", help="Only those of this owner.")
@option("data_dir", "as_json")
def list_(owner: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List all keys, oldest first, also those that are no longer valid. The keys themselves cannot be shown."""
    found = _ask(service_settings(data_dir=data_dir), lambda client: client.list(owner))
    click.echo(json.dumps([_shape(key) for key in found], indent=2) if as_json else _listed(found))


@keys.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@option("data_dir")
def revoke(ids: tuple[str, ...], data_dir: Path | None) -> None:
    """End keys. From the next request on they are refused, and so are the tickets that were created with them."""

    async def work(client: Keys) -> bool:
        return all([await _revoked(client, id) for id in ids])

    if not _ask(service_settings(data_dir=data_dir), work):
        raise click.exceptions.Exit(1)


@keys.command()
@click.argument("id")
@click.option(
    "--overlap",
    type=_Time(),
    default="1d",
    show_default=True,
    metavar="TIME",
    help="How long the old key is still valid.",
)
@_expires
@option("data_dir", "as_json")
def rotate(id: str, overlap: float, lives: float | None, data_dir: Path | None, as_json: bool) -> None:
    """Replace a key by a new one with the same owner, scopes and limits, and show it. It is shown only once.

    The old key ends later: see --overlap. Without --expires the new key is valid for as long as the old one was.
    """
    _show_new(_ask(service_settings(data_dir=data_dir), lambda client: client.rotate(id, overlap, lives)), as_json)


def _ask(settings: Settings, work: Callable[[Keys], Awaitable[T]]) -> T:
    async def run() -> T:
        async with _desk(settings) as client:
            return await work(client)

    return asyncio.run(run())


@asynccontextmanager
async def _desk(settings: Settings) -> AsyncIterator[Keys]:
    await asyncio.to_thread(check_database, settings, _MAKE_ONE)
    database = Database.open(settings.database, settings.database_pool)
    try:
        yield Keys(database)
    finally:
        await database.close()


async def _revoked(client: Keys, id: str) -> bool:
    try:
        key = await client.revoke(id)
    except DictographError as error:
        click.echo(f"dictograph: {error.message}", err=True)
        return False
    click.echo(f"{key.id} revoked")
    return True


def _show_new(issued: Issued, as_json: bool) -> None:
    """Print the key to stdout, for `$(…)` and files, and the information for people to stderr."""
    if as_json:
        click.echo(json.dumps({"key": issued.secret, **_shape(issued.key)}, indent=2))
        return
    click.echo(issued.secret)
    key = issued.key
    until = f", until {_day(key.expires_at)}" if key.expires_at else ""
    click.echo(
        f"This is key {key.id} of {key.owner}, for {' and '.join(key.scopes)}{until}. Keep it: it is not shown again.",
        err=True,
    )


def _listed(found: Sequence[Key]) -> str:
    if not found:
        return "There are no keys: every user of the service's own machine may use it."
    titles = ("ID", "OWNER", "NAME", "SCOPES", "STATE", "EXPIRES", "LAST USED")
    rows = [
        (
            key.id,
            clipped(key.owner, 24),
            clipped(key.name, 24),
            ",".join(key.scopes),
            _state(key),
            _day(key.expires_at),
            _day(key.last_used_at),
        )
        for key in found
    ]
    return table(titles, rows)


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.live:
        return "expired"
    return "replaced" if key.replaced_by is not None else "good"


def _day(moment: datetime | None) -> str:
    return "–" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _shape(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "owner": key.owner,
        "name": key.name,
        "scopes": list(key.scopes),
        "state": _state(key),
        "rate": _plain(key.rates.requests),
        "job_rate": _plain(key.rates.jobs),
        "webhook_url": key.webhook_url,
        "created_at": key.created_at.isoformat(),
        "expires_at": _iso(key.expires_at),
        "revoked_at": _iso(key.revoked_at),
        "last_used_at": _iso(key.last_used_at),
        "replaced_by": key.replaced_by,
    }


def _plain(rates: tuple[str, ...] | None) -> list[str] | None:
    return None if rates is None else list(rates)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
