"""Plots as SVG files beside the records, the same bytes for the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.figure import Plot
from bench.record import FOLDER, Record

_SIZE_IN = (7.5, 3.6)


def draw(record: Record, folder: Path = FOLDER) -> None:
    """Write `folder/NAME.svg` if the record has a plot."""
    if record.measured.plot is None:
        return
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "dictograph", "svg.fonttype": "none", "font.size": 10})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=_SIZE_IN, layout="constrained")
    _fill(axes, record.measured.plot)
    axes.set_title(record.title)
    figure.savefig(folder / f"{record.name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def _fill(axes: Any, plot: Plot) -> None:
    if plot.kind == "bars":
        _bars(axes, plot)
    else:
        for line in plot.lines:
            axes.plot(line.x, line.y, label=line.label, marker="." if len(line.x) < 40 else None)
    axes.set_xlabel(plot.x_label)
    axes.set_ylabel(plot.y_label)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", alpha=0.3)
    if len(plot.lines) > 1:
        axes.legend()


def _bars(axes: Any, plot: Plot) -> None:
    width = 0.8 / len(plot.lines)
    for index, line in enumerate(plot.lines):
        places = [place + (index - (len(plot.lines) - 1) / 2) * width for place in range(len(line.x))]
        axes.bar_label(axes.bar(places, line.y, width, label=line.label), fmt="{:,.3g}", padding=2)
    axes.set_xticks(range(len(plot.lines[0].x)), [str(x) for x in plot.lines[0].x])
