"""`dictograph settings`: the values in force, and where each came from."""

from __future__ import annotations

import json
from typing import Any

import click

from dictograph.cli.options import explained, option
from dictograph.cli.text.settings_text import shown, shown_as_json
from dictograph.settings.loading import Loaded
from dictograph.settings.model import Settings, variable


@click.command()
@click.option("--explain", is_flag=True, help="Show for each setting what it is for, and where its value came from.")
@option("profile", "as_json")
def settings(explain: bool, profile: str | None, as_json: bool) -> None:
    """Show the effective settings.

    They are printed in the form of an .env file, with passwords masked.

    If several places have a value, the first of these wins: the command line, the file that --config names, the
    environment (DICTOGRAPH_…), the file .env in the working folder, the TOML file (DICTOGRAPH_CONFIG, else
    dictograph.toml in the working folder), the names of older systems, the defaults of profiles, Dictograph's defaults.

    \b
    dictograph settings --explain
    dictograph settings --explain --profile gateway
    dictograph settings --json | jq .engine
    """
    loaded = explained(profile=profile)
    for warning in loaded.warnings:
        click.echo(f"dictograph: {warning}", err=True)
    if as_json:
        click.echo(json.dumps(_shape(loaded, explain), indent=2))
        return
    for name, field in Settings.model_fields.items():
        value = shown(name, getattr(loaded.settings, name))
        if explain:
            click.echo(f"# {field.description}\n# from: {loaded.origins[name]}")
        click.echo(f"{variable(name)}={value}" + ("\n" if explain else ""))


def _shape(loaded: Loaded, explain: bool) -> dict[str, Any]:
    values = {name: shown_as_json(name, getattr(loaded.settings, name)) for name in Settings.model_fields}
    if not explain:
        return values
    return {
        name: {"value": value, "origin": loaded.origins[name], "description": Settings.model_fields[name].description}
        for name, value in values.items()
    }
