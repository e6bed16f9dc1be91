"""Options that several commands share, and the settings that result from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dictograph.cli.config_file import named_config
from dictograph.settings.loading import Loaded, load
from dictograph.settings.model import Settings

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = {
    "data_dir": click.option(
        "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="The folder of the database and the audio."
    ),
    "profile": click.option(
        "--profile", metavar="NAMES", help="Older systems to replace: `gateway`, `backend`, `path`, with commas."
    ),
    "engine": click.option("--engine", help="`whisper`, `sphinx`, or `auto`."),
    "model": click.option("--model", help="Whisper size, repository id, or folder with a converted model."),
    "device": click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where models run."),
    "log_level": click.option(
        "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="The lowest level that is logged."
    ),
    "as_json": click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts."),
}


def option(*names: str) -> Callable[[F], F]:
    """Add the shared options of these names to a command."""

    def add(command: F) -> F:
        for name in reversed(names):
            command = _OPTIONS[name](command)
        return command

    return add


def effective(**overrides: object) -> Settings:
    """Return the settings, with the values of the command line; None means not given."""
    return explained(**overrides).settings


def explained(**overrides: object) -> Loaded:
    """Return the settings as `effective` does, and where each value came from."""
    return load(overrides, named_file=named_config())
