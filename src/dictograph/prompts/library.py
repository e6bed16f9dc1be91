"""All templates: the built-in ones, and those of the operator's folder, which take precedence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dictograph.errors import SettingsError
from dictograph.prompts.template import Template

#: The language of the templates for transcripts in a language that has none.
FALLBACK = "en"

_SHIPPED = Path(__file__).parent / "templates"
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SUFFIXES = frozenset({".md", ".txt"})
_MOST_BYTES = 16 * 1024
#: Each prompt contains the whole transcript.
_MOST_OF_A_LANGUAGE = 32

Shelf = dict[str, dict[str, Template]]


class Library:
    """Templates by language and name. Templates that a language lacks come from English."""

    def __init__(self, shelf: Mapping[str, Mapping[str, Template]]) -> None:
        common = shelf.get(FALLBACK, {})
        self._shelf = {language: {**common, **own} for language, own in shelf.items()}

    @classmethod
    def load(cls, folder: Path | None = None) -> Library:
        """Load the built-in templates, and those of `folder` (LANGUAGE/NAME.md) beside or in place of them.

        Raises:
            SettingsError: a file or folder there cannot be used; the message names it and gives the reason.
        """
        shelf: Shelf = {}
        for root in (_SHIPPED, folder) if folder else (_SHIPPED,):
            for language, name, template in _templates(root):
                shelf.setdefault(language, {})[name] = template
        for language, templates in shelf.items():
            if len(templates) > _MOST_OF_A_LANGUAGE:
                raise SettingsError(
                    f"There are more than {_MOST_OF_A_LANGUAGE} prompt templates for the language {language!r} "
                    "(DICTOGRAPH_PROMPTS_DIR)."
                )
        return cls(shelf)

    @property
    def languages(self) -> list[str]:
        """Return the languages that have templates."""
        return sorted(self._shelf)

    def choose(self, language: str | None) -> str:
        """Return the language of the prompts for a transcript in `language`."""
        return language if language in self._shelf else FALLBACK

    def write(self, language: str | None, transcript: str, words: int) -> dict[str, str]:
        """Return the prompts for a transcript, by name. `words` is the number of its words."""
        templates = self._shelf[self.choose(language)]
        return {name: template.fill(transcript, words) for name, template in templates.items()}


def _templates(root: Path) -> Iterator[tuple[str, str, Template]]:
    for folder in _listed(root):
        if not folder.is_dir() or not _LANGUAGE.fullmatch(folder.name):
            raise _wrong(folder, "templates lie in folders named by a language's code, as `fr/agenda.md`")
        for file in _listed(folder):
            if file.suffix not in _SUFFIXES or not _NAME.fullmatch(file.stem) or not file.is_file():
                raise _wrong(file, "a template is a file NAME.md or NAME.txt; its name has small letters, digits and _")
            yield folder.name, file.stem, _read(file)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "README")))
    except OSError as error:
        raise _wrong(folder, error.strerror or str(error)) from error


def _read(file: Path) -> Template:
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise _wrong(file, f"it is larger than {_MOST_BYTES} bytes")
        return Template(raw.decode("utf-8-sig").replace("\r\n", "\n"))
    except OSError as error:
        raise _wrong(file, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _wrong(file, "it is not UTF-8") from error
    except SettingsError as error:
        raise _wrong(file, error.message) from error


def _wrong(path: Path, why: str) -> SettingsError:
    return SettingsError(f"The prompt template {path} cannot be used: {why} (DICTOGRAPH_PROMPTS_DIR).")
