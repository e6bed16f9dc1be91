"""Progress on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

#: A function that takes the finished amount and the total.
Advance = Callable[[float, float], None]

_STEP = 0.1


@contextmanager
def byte_bar(title: str) -> Iterator[Advance]:
    """Show a bar for bytes; without a terminal, a line for every tenth."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)


def _lines(title: str) -> Advance:
    said = -1.0

    def advance(done: float, total: float) -> None:
        nonlocal said
        part = done / total if total else 0.0
        if part >= said + _STEP or (part == 1 and said < 1):
            said = part
            click.echo(f"{title}: {part:.0%}", err=True)

    return advance
