"""Measure what the constants of detection and of windows stand on: `python -m bench.calibrate [detection] [windows]`.

The tables go into docs/explanation/detection.md and docs/explanation/windows.md. `make calibrate` measures both.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench import real
from bench.calibrate import tables, windows
from bench.calibrate.table import Table
from bench.machine import machine, versions

_DOCS = Path(__file__).parents[2] / "docs/explanation"
_BETWEEN = re.compile(r"(<!-- calibrate -->\n).*?(<!-- /calibrate -->)", re.DOTALL)

#: What is measured, by the name of its page.
_SUBJECTS: Mapping[str, Callable[[], Iterator[Table]]] = {
    "detection": lambda: tables.tables(real.recordings()),
    "windows": lambda: windows.tables(real.recordings(), real.base()),
}


def main(names: list[str]) -> int:
    """Measure, print and write."""
    if unknown := set(names) - set(_SUBJECTS):
        print(f"There is no {', '.join(sorted(unknown))}. There are: {', '.join(_SUBJECTS)}.", file=sys.stderr)
        return 2
    try:
        for name in names or _SUBJECTS:
            _write(_DOCS / f"{name}.md", _SUBJECTS[name]())
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _write(page: Path, measured: Iterator[Table]) -> None:
    used = {**machine(), **{name: versions()[name] for name in ("faster-whisper", "onnxruntime")}}
    parts = [", ".join(f"{name}: {value}" for name, value in used.items()) + "."]
    for table in measured:
        parts.append(table.markdown())
        print(parts[-1], flush=True)
    text = _BETWEEN.sub(lambda found: found[1] + "\n" + "\n\n".join(parts) + "\n\n" + found[2], page.read_text())
    page.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
