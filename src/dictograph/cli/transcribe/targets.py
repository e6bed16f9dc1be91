"""The files of each transcript."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from dictograph.cli.transcribe.sources import STDIN, is_url
from dictograph.errors import StorageUnavailable
from dictograph.formats import FORMATS


@dataclass(frozen=True, slots=True)
class Target:
    """A source and the file of each format. Without files: standard output, under `title` if there are several."""

    source: str
    files: Mapping[str, Path] = field(default_factory=dict)
    title: str = ""

    @property
    def name(self) -> str:
        """Return the name of the source in messages."""
        return "standard input" if self.source == STDIN else self.source

    @property
    def is_url(self) -> bool:
        return is_url(self.source)

    @property
    def exists(self) -> bool:
        """Return whether every file is there already."""
        return bool(self.files) and all(file.exists() for file in self.files.values())


def targets(sources: Sequence[str], formats: Sequence[str], output: str | None) -> list[Target]:
    """Return a target for each source. `output` is a folder if it is one already, ends with `/`, or has to be.

    Raises:
        click.UsageError: the output cannot hold the transcripts of all sources.
    """
    several = len(sources) > 1
    if output is None:
        if len(formats) > 1 or (several and formats[0] != "txt"):
            raise click.UsageError("Several files cannot follow each other: name a folder with --output.")
        return [Target(source, title=source if several else "") for source in sources]
    place = Path(output)
    if not several and len(formats) == 1 and not place.is_dir() and not _ends_as_folder(output):
        return [Target(sources[0], {formats[0]: place})]
    if place.is_file():
        raise click.UsageError(f"{place} is a file; several transcripts need a folder.")
    names = _names(sources)
    return [
        Target(source, {format: place / f"{name}{FORMATS[format].suffix}" for format in formats})
        for source, name in zip(sources, names, strict=True)
    ]


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


def _ends_as_folder(output: str) -> bool:
    return output.endswith(("/", os.sep))


def _names(sources: Sequence[str]) -> list[str]:
    """Return a name for each source, without the format's suffix: the stem, the whole name where stems are equal, and a
    number where that is equal too."""
    stems = Counter(_name(source).stem for source in sources)
    wanted = [str(name) if stems[name.stem] > 1 else name.stem for name in map(_name, sources)]
    names: list[str] = []
    for one in wanted:
        choices = (f"{one}{f'-{number}' if number > 1 else ''}" for number in count(1))
        names.append(next(name for name in choices if name not in names))
    return names


def _name(source: str) -> Path:
    if source == STDIN:
        return Path("stdin")
    if is_url(source):
        return Path(Path(unquote(urlsplit(source).path)).name or "download")
    return Path(Path(source).name)
