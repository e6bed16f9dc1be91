"""Measurements as files: docs/figures/NAME.json, one for each figure, so that one figure can be measured again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figure import Figure, Goal, Measured

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"


@dataclass(frozen=True, slots=True)
class Record:
    """A measurement with all that is needed to judge it. `load` is the load before it, `seconds` its duration."""

    name: str
    title: str
    goal: Goal
    measured: Measured
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    commit: str
    date: str
    load: float
    seconds: float

    @property
    def met(self) -> bool:
        return self.goal.met_by(self.measured.value) and all(check.ok for check in self.measured.checks)

    def save(self, folder: Path = FOLDER) -> None:
        shape = {
            "name": self.name,
            "title": self.title,
            "goal": {"comparison": self.goal.comparison, "value": self.goal.value, "unit": self.goal.unit},
            "measured": self.measured.as_dict(),
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "commit": self.commit,
            "date": self.date,
            "load": self.load,
            "seconds": self.seconds,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(shape, indent=1, ensure_ascii=False) + "\n")


def load(name: str, folder: Path = FOLDER) -> Record | None:
    """Return the last measurement of a figure; None if there is none."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    shape: dict[str, Any] = json.loads(path.read_text())
    return Record(**{**shape, "goal": Goal(**shape["goal"]), "measured": Measured.from_dict(shape["measured"])})


def load_all(figures: list[Figure], folder: Path = FOLDER) -> dict[str, Record | None]:
    return {figure.NAME: load(figure.NAME, folder) for figure in figures}
