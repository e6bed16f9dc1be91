"""`dictograph settings`: what is in force, and who said so."""

from __future__ import annotations

import json
from typing import Any

import click

from dictograph.cli.options import explained, option
from dictograph.cli.text.settings_text import shown, shown_as_json
from dictograph.settings.model import Loaded, Settings, variable


@click.command()
@click.option("--explain", is_flag=True, help="Say of each where its value came from, and what it is for.")
@option("profile", "as_json")
def settings(explain: bool, profile: str | None, as_json: bool) -> None:
    """Show the effective settings.

    In the form of an .env file; passwords are masked.

    Where several places say something, the first of these counts: the command line, the environment (DICTOGRAPH_…),
    the file .env in the working folder, the TOML file (DICTOGRAPH_CONFIG, else dictograph.toml in the working folder),
    the names that older systems had, the defaults of profiles, those of Dictograph.

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
    if explain and loaded.later:
        click.echo("# Accepted, and not in force before the part in brackets is there:")
        click.echo("\n".join(f"#   {name}" for name in loaded.later))


def _shape(loaded: Loaded, explain: bool) -> dict[str, Any]:
    values = {name: shown_as_json(name, getattr(loaded.settings, name)) for name in Settings.model_fields}
    if not explain:
        return values
    return {
        name: {"value": value, "origin": loaded.origins[name], "description": Settings.model_fields[name].description}
        for name, value in values.items()
    }
