"""Write the tables of docs/migration.md that are generated from the profiles: their defaults, variables and files.

The page's own words stay as they are: a table goes between `<!-- WHAT PROFILE -->` and `<!-- end -->`.
`migration_page.py --check` writes nothing and fails when the page is not what would be written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dictograph.cli.text.settings_text import as_text
from dictograph.settings.loading import load
from dictograph.settings.model import variable
from dictograph.settings.profiles.selection import PROFILES
from dictograph.settings.profiles.table import Alias, Profile

PAGE = Path(__file__).resolve().parent.parent / "docs" / "migration.md"

_PLACE = re.compile(r"<!-- (defaults|variables|keys) ([\w-]+) -->\n.*?<!-- end -->", re.DOTALL)


def filled(text: str) -> str:
    """Return the page with its tables as they are now."""
    return _PLACE.sub(lambda place: _filled(place[1], PROFILES[place[2]]), text)


def _filled(what: str, profile: Profile) -> str:
    lines = {"defaults": _defaults, "variables": _variables, "keys": _keys}[what](profile)
    return "\n".join([f"<!-- {what} {profile.name} -->", *lines, "<!-- end -->"])


def _defaults(profile: Profile) -> Iterator[str]:
    settings = load({"profile": profile.name}, {}, Path("/nowhere")).settings
    yield from ("| setting | by this profile |", "| --- | --- |")
    addresses = ("listen", "anonymous") if profile.listeners else ("worker_listen",)
    for name in (*addresses, *profile.defaults):
        yield f"| `{variable(name)}` | `{as_text(name, getattr(settings, name))}` |"


def _variables(profile: Profile) -> Iterator[str]:
    yield from _table("variable", [alias for alias in profile.aliases if not alias.key])


def _keys(profile: Profile) -> Iterator[str]:
    yield from _table("key", [alias for alias in profile.aliases if alias.key])


def _table(heading: str, aliases: Sequence[Alias]) -> Iterator[str]:
    yield from (f"| {heading} | was by default | is now |", "| --- | --- | --- |")
    for alias in aliases:
        yield f"| `{alias.shown}` | {f'`{alias.default}`' if alias.default else ''} | {_now(alias)} |"


def _now(alias: Alias) -> str:
    parts = [", ".join(f"`{variable(name)}`" for name in (alias.setting, *alias.also) if name)]
    return "; ".join(part for part in (*parts, alias.says) if part)


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    if text == filled(text):
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{PAGE.name} is not what the profiles say: run `make docs`.", file=sys.stderr)
        return 1
    PAGE.write_text(filled(text), encoding="utf-8")
    print("wrote docs/migration.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
