"""What is to be transcribed: files and URLs as they are named, the recordings of a folder, what a pattern matches."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

STDIN = "-"

#: Files of a folder with one of these endings are recordings. A file that is named itself may be called anything.
_RECORDING = re.compile(
    r"\.(3gp|aac|ac3|aiff?|amr|asf|au|avi|caf|dss|dts|flac|flv|gsm|m2ts|m4[abv]|mk[av]|mov|mp[234]|mpe?g|mpga|mts|mxf"
    r"|og[agv]|opus|spx|tta|voc|vob|w64|wav|web[am]|wm[av]|wv)",
    re.IGNORECASE,
)


def is_url(source: str) -> bool:
    """Return whether a source is fetched."""
    return source.startswith(("http://", "https://"))


def expanded(sources: Sequence[str]) -> list[str]:
    """Return the sources with each folder replaced by its recordings, and each pattern by what it matches; each once.

    Raises:
        click.UsageError: a folder holds no recording, a pattern matches nothing, or standard input is named twice.
    """
    if sources.count(STDIN) > 1:
        raise click.UsageError("Standard input (-) can be read only once.")
    return list(dict.fromkeys(found for source in sources for found in _expanded(source)))


def _expanded(source: str) -> Iterator[str]:
    path = Path(source)
    if source == STDIN or is_url(source):
        yield source
    elif path.is_dir():
        yield from _recordings(path)
    elif glob.has_magic(source) and not path.exists():  # a shell that finds nothing gives the pattern as it is
        yield from _matches(source)
    else:
        yield source


def _recordings(folder: Path) -> Sequence[str]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not (found := [str(path) for path in files if _RECORDING.fullmatch(path.suffix)]):
        raise click.UsageError(
            f"The folder {folder} holds no audio or video, by the endings of its files. Folders in it are not searched:"
            f" name them too, or use a pattern, as in '{folder}/**/*.mp3'."
        )
    return found


def _matches(pattern: str) -> Sequence[str]:
    if not (found := sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())):
        raise click.UsageError(f"No file matches {pattern}.")
    return found
