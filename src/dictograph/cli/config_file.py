"""`--config`, an option of all commands, which names a file of settings."""

from __future__ import annotations

from pathlib import Path

import click

#: The name under which the file of --config is kept while a command runs.
_CONFIG = "dictograph.config"


def remember_config(context: click.Context, _: click.Parameter, file: Path | None) -> None:
    """Keep the file that `--config` names until the settings are read."""
    if file is not None:
        context.meta[_CONFIG] = file.expanduser().absolute()


def named_config() -> Path | None:
    """Return the file of settings that `--config` names."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_CONFIG)
