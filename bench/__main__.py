"""`python -m bench [--quick] [NAME …]`: measure figures, save them, write docs/performance.md.

Without names, all. `--quick` proves in seconds that the measurements work, and saves nothing.
`--page` measures nothing and writes the page and the plots again.
"""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from bench import machine
from bench.figure import Figure
from bench.figures import figures
from bench.page import PATH, render, summary
from bench.plot import draw
from bench.record import Record, load_all
from bench.room import Room, settle


def main() -> int:
    arguments = _arguments()
    # As Ctrl-C does: services that a figure has started are stopped, and its folder is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    known = {figure.NAME: figure for figure in figures()}
    if unknown := sorted(set(arguments.names) - set(known)):
        print(f"No such figure: {', '.join(unknown)}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    failed = []
    for figure in [] if arguments.page else [known[name] for name in arguments.names or known]:
        try:
            record = _measured(figure, quick=arguments.quick)
        except Exception:  # noqa: BLE001 - whatever spoils one figure must not cost the others
            traceback.print_exc()
            failed.append(figure.NAME)
            continue
        print(f"    {summary(record)} [{record.seconds:.0f} s]", flush=True)
        if not arguments.quick:
            record.save()
    if not arguments.quick:
        _write_page(list(known.values()))
    if failed:
        print(f"Could not be measured: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures; none: all")
    parser.add_argument("--quick", action="store_true", help="a run of seconds, not saved")
    parser.add_argument("--page", action="store_true", help="only write page and plots from what was saved")
    return parser.parse_args()


def _measured(figure: Figure, *, quick: bool) -> Record:
    print(f"{figure.NAME}: {figure.TITLE}", flush=True)
    load = settle(0 if quick else 60)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dictograph-bench-") as folder:
        measured = figure.measure(Room(Path(folder), quick))
    return Record(
        name=figure.NAME,
        title=figure.TITLE,
        goal=figure.GOAL,
        measured=measured,
        machine=machine.machine(),
        versions=machine.versions(),
        commit=machine.commit(),
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        load=load,
        seconds=round(time.monotonic() - began, 1),
    )


def _write_page(known: list[Figure]) -> None:
    records = load_all(known)
    for record in records.values():
        if record is not None:
            draw(record)
    PATH.write_text(render(known, records))
    print(f"\nWritten: {PATH.name}")
    for record in filter(None, records.values()):
        print(f"  {summary(record)}")


if __name__ == "__main__":
    sys.exit(main())
