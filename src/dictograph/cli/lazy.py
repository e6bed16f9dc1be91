"""A group of commands whose modules are imported when they are called, so that `--help` is quick."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: where it is ("package.module:name"), a summary in a few words, and its heading."""

    target: str
    summary: str
    heading: str


class LazyGroup(click.Group):
    """A group whose commands are `entries`, listed under their headings in the given order."""

    entries: Mapping[str, Entry] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click says what it takes
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.entries:
            return None
        module, _, name = self.entries[cmd_name].target.partition(":")
        with _nothing_collected():
            command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for heading in dict.fromkeys(entry.heading for entry in self.entries.values()):
            with formatter.section(heading):
                formatter.write_dl(list(self._rows(heading)))

    def _rows(self, heading: str) -> Iterator[tuple[str, str]]:
        for name, entry in self.entries.items():
            if entry.heading == heading:
                yield name, entry.summary


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Switch garbage collection off: imported modules stay, and checking them takes a fifth of the imports' time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
