"""`--config`, an option of all commands: which file of settings it names."""

from __future__ import annotations

from pathlib import Path

import click

#: Under what name the file that --config names is kept while a command runs.
_CONFIG = "dictograph.config"


def remember_config(context: click.Context, _: click.Parameter, file: Path | None) -> None:
    """Keep which file of settings `--config` names, for when they are read."""
    if file is not None:
        context.meta[_CONFIG] = file.expanduser().absolute()


def named_config() -> Path | None:
    """Return the file of settings that `--config` names."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_CONFIG)
