"""A figure: a goal, and the measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bench.room import Room

AT_LEAST, AT_MOST = "≥", "≤"


@dataclass(frozen=True, slots=True)
class Goal:
    """The goal of a figure. `comparison` is AT_LEAST or AT_MOST; `unit` is empty for a ratio."""

    comparison: str
    value: float
    unit: str = ""

    def met_by(self, value: float) -> bool:
        return value >= self.value if self.comparison == AT_LEAST else value <= self.value

    def __str__(self) -> str:
        return f"{self.comparison} {number(self.value)}{' ' if self.unit else ''}{self.unit}"


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that belongs to the goal beside the number: what must hold, and whether it did."""

    text: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Table:
    """The details behind the number: column names, and rows with the same number of cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One labelled line or group of bars of a plot; `x` may be words for bars."""

    label: str
    x: tuple[float | str, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot. `kind` is "lines" or "bars"."""

    kind: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one figure. `reason` says why a goal was missed, and is shown only then.

    `notes` are sentences on the method and on further findings. The value of a quick run is no figure: it only proves
    that the measurement works.
    """

    value: float
    checks: tuple[Check, ...] = ()
    details: Table | None = None
    plot: Plot | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, shape: Mapping[str, Any]) -> Measured:
        details, plot = shape["details"], shape["plot"]
        return cls(
            value=shape["value"],
            checks=tuple(Check(**check) for check in shape["checks"]),
            details=Table(tuple(details["columns"]), tuple(map(tuple, details["rows"]))) if details else None,
            plot=_plot(plot) if plot else None,
            notes=tuple(shape["notes"]),
            reason=shape["reason"],
        )


class Figure(Protocol):
    """The members of a module in `bench/figures`. Its import needs nothing but Dictograph's own libraries."""

    NAME: str
    TITLE: str
    GOAL: Goal

    def measure(self, room: Room) -> Measured: ...


def number(value: float) -> str:
    """Return three significant digits; for large numbers all digits before the point, with thousands separated."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"


def _plot(shape: Mapping[str, Any]) -> Plot:
    lines = tuple(Line(line["label"], tuple(line["x"]), tuple(line["y"])) for line in shape["lines"])
    return Plot(shape["kind"], shape["x_label"], shape["y_label"], lines)
