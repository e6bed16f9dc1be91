"""A progress bar for each file on standard error, if that is a terminal."""

from __future__ import annotations

import sys
from types import TracebackType

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from dictograph.cli.text.text_table import clipped

_NAME_WIDTH = 40


class ProgressBars:
    """The bars of several files. Without a terminal only the lines of `say` and `print` appear."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        note = TextColumn("[dim]{task.fields[note]}")
        self._progress = (
            Progress(*columns, note, console=Console(stderr=True), transient=True) if sys.stderr.isatty() else None
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressBars:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, name: str, part: float | None = None, note: str | None = None) -> None:
        """Set a file's bar to `part` (0–1) with a note beside it; None leaves either unchanged."""
        if self._progress is None:
            return
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(
                escape(clipped(name, _NAME_WIDTH)), total=1.0, note="", start=False
            )
        task = self._tasks[name]
        if part:
            self._progress.start_task(task)
        if part is not None:
            self._progress.update(task, completed=part)
        if note is not None:
            self._progress.update(task, note=escape(note))

    def begin(self, name: str) -> None:
        """Let the time of a file count from now, for the estimate of what is left."""
        if self._progress is not None and name in self._tasks:
            self._progress.start_task(self._tasks[name])

    def done(self, name: str) -> None:
        """Remove the bar of a finished file."""
        if self._progress is not None and name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))

    def say(self, line: str) -> None:
        """Write a line to stderr, above the bars."""
        if self._progress is not None:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=True)

    def print(self, line: str) -> None:
        """Write a line to stdout, without breaking the bars."""
        if self._progress is not None:
            self._progress.stop()
        click.echo(line)
        if self._progress is not None:
            self._progress.start()
