"""Write the tables that the constants of detection stand on into docs/explanation/detection.md: `make calibrate`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from bench.calibrate.tables import tables
from bench.machine import machine, versions
from bench.recordings import Recordings, folder

_PAGE = Path(__file__).parents[2] / "docs/explanation/detection.md"
_BETWEEN = re.compile(r"(<!-- calibrate -->\n).*?(<!-- /calibrate -->)", re.DOTALL)


def main() -> int:
    """Measure, print and write."""
    recordings = Recordings(folder())
    if not recordings.complete:
        print(f"The recordings are not in {folder()}: `make recordings` fetches them.", file=sys.stderr)
        return 1
    used = {**machine(), **{name: versions()[name] for name in ("faster-whisper", "onnxruntime")}}
    parts = [", ".join(f"{name}: {value}" for name, value in used.items()) + "."]
    for table in tables(recordings):
        parts.append(table.markdown())
        print(parts[-1], flush=True)
    page = _PAGE.read_text()
    _PAGE.write_text(_BETWEEN.sub(lambda found: found[1] + "\n" + "\n\n".join(parts) + "\n\n" + found[2], page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
