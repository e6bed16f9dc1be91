"""The files that settings stand in, read as what somebody else wrote: bounded, and with the line of what is wrong."""

from __future__ import annotations

import configparser
import io
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from dictograph.errors import SettingsError

#: No file of settings is longer than this (bytes).
_LONGEST = 2**20

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def read_dotenv(file: Path) -> Mapping[str, str]:
    """The variables of an .env file; none when it is not there. One without a value has "".

    Raises:
        SettingsError: it cannot be read, naming the first line that is no variable.
    """
    if not file.is_file():
        return {}
    found: dict[str, str] = {}
    for part in parse_stream(io.StringIO(_text(file))):
        if part.error:
            raise SettingsError(f"{file} cannot be read: line {part.original.line} is not of the form NAME=VALUE.")
        if part.key is not None:
            found[part.key] = _one_line(file, part.key, part.value or "").strip()
    return found


def read_toml(file: Path) -> Mapping[str, Any]:
    """The values of a TOML file. Raises SettingsError."""
    try:
        return tomllib.loads(_text(file))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{file} cannot be read as TOML: {error}") from error


def read_ini(file: Path) -> Mapping[tuple[str, str], str]:
    """The values of an .ini file by section and key, without the comments behind them; none when it is not there.

    Raises:
        SettingsError: it cannot be read, naming the line.
    """
    if not file.is_file():
        return {}
    parser = configparser.ConfigParser(
        interpolation=None,
        inline_comment_prefixes=("#",),
        empty_lines_in_values=False,
        default_section="",  # no section is the default of the others
    )
    try:
        parser.read_string(_text(file), str(file))
    except (configparser.Error, ValueError) as error:
        raise SettingsError(f"{file} cannot be read: {_wrong_line(error)}.") from error
    return {
        (section, key): _one_line(file, f"[{section}] {key}", " ".join(value.split("\n"))).strip()
        for section in parser.sections()
        for key, value in parser.items(section)
    }


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(_LONGEST + 1)
        if len(data) > _LONGEST:
            raise SettingsError(f"{file} cannot be read: it is longer than {_LONGEST} bytes.")
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{file} cannot be read: line {line} is not UTF-8.") from error


def _one_line(file: Path, name: str, value: str) -> str:
    if _CONTROL.search(value):
        raise SettingsError(f"{name} in {file} cannot be used: it has a control character or a line break.")
    return value


def _wrong_line(error: Exception) -> str:
    """What is wrong, without what stands there: that may be a password."""
    match error:
        case configparser.MissingSectionHeaderError():
            return f"line {error.lineno} stands before any [section]"
        case configparser.DuplicateSectionError():
            return f"line {error.lineno} begins the section [{error.section}] again"
        case configparser.DuplicateOptionError():
            return f"line {error.lineno} has the key {error.option} of [{error.section}] again"
        case configparser.ParsingError():
            return f"line {error.errors[0][0]} is not of the form KEY = VALUE"
        case _:
            return "it is not of the form of an .ini file"
