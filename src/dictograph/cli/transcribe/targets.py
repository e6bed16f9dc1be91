"""The target of each transcript."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from dictograph.errors import StorageUnavailable
from dictograph.formats import FORMATS

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Target:
    """A source and the file for its transcript; None: standard output, under `title` if there are several."""

    source: str
    file: Path | None
    title: str = ""

    @property
    def name(self) -> str:
        """Return the name of the source in messages."""
        return "standard input" if self.source == STDIN else self.source

    @property
    def is_url(self) -> bool:
        return self.source.startswith(("http://", "https://"))


def targets(sources: Sequence[str], format: str, output: Path | None) -> list[Target]:
    """Return a target for each source.

    Raises:
        click.UsageError: the output cannot hold the transcripts of all sources.
    """
    if sources.count(STDIN) > 1:
        raise click.UsageError("Standard input (-) can be read only once.")
    several = len(sources) > 1
    if output is None:
        if several and format != "txt":
            raise click.UsageError(f"Several {format} files cannot follow each other: name a folder with --output.")
        return [Target(source, None, source if several else "") for source in sources]
    if not several and not output.is_dir():
        return [Target(sources[0], output)]
    if output.is_file():
        raise click.UsageError(f"{output} is a file; several transcripts need a folder.")
    names = _names(sources, FORMATS[format].suffix)
    return [Target(source, output / name) for source, name in zip(sources, names, strict=True)]


@contextmanager
def written(file: Path) -> Iterator[Path]:
    """Yield a path to write to. It is renamed to `file` on success, and removed otherwise."""
    part = file.with_name(file.name + ".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(file)
    except OSError as error:
        raise StorageUnavailable(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _names(sources: Iterable[str], suffix: str) -> list[str]:
    names: list[str] = []
    for source in sources:
        stem = _stem(source)
        choices = (f"{stem}{f'-{number}' if number > 1 else ''}{suffix}" for number in count(1))
        names.append(next(name for name in choices if name not in names))
    return names


def _stem(source: str) -> str:
    if source == STDIN:
        return "stdin"
    if source.startswith(("http://", "https://")):
        return Path(unquote(urlsplit(source).path)).stem or "download"
    return Path(source).stem
