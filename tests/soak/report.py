"""The figures of a soak as text, as a table in docs/reliability.md, and as JSON beside it."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from tests.service import ROOT
from tests.soak.faults import FAULTS
from tests.soak.run import WORKERS, Plan
from tests.soak.summary import RunSummary

PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ROOT / "docs" / "figures" / "soak.json"
BEGIN, END = "<!-- soak: written by `make soak` -->", "<!-- /soak -->"

#: The rows of the table above those of the faults.
_DONE = {
    "jobs": "jobs promised to clients",
    "random_kills": "SIGKILLs at random times",
    "named": "SIGKILLs at named places",
    "mid_attempt": "of all these, such as met a worker in the middle of an attempt",
    "windows": "windows in the transcripts",
    "repeated_windows": "windows transcribed again",
    "requests_repeated": "requests repeated by clients under their keys",
    "followed": "jobs followed to their end",
    "follower_returns": "times that a follower had to come back",
    "attempts_taken": "attempts whose worker was stopped until others had their jobs",
    "attempts_noticed": "of these, noticed by the worker, which wrote nothing",
    "stale_writes": "writes tried under leases that were over",
    "stale_writes_refused": "of these, refused",
    "seconds": "seconds",
}


def as_text(name: str, summary: RunSummary) -> str:
    """For the terminal."""
    figures = _figures(summary)
    lines = [f"{name}:"]
    lines += [f"  {figures[key]:>8}  {text}" for key, text in _DONE.items()]
    lines += [f"  {summary.faults[key]:>8}  {text}" for key, text in FAULTS.items()]
    lines += [f"  {key}: {item}" for key, items in summary.details.items() for item in items]
    return "\n".join(lines)


def write_figures(summaries: Mapping[str, RunSummary], plan: Plan) -> None:
    """Put them into the page, between the marks, and beside it."""
    about = _about(plan)
    FIGURES.parent.mkdir(exist_ok=True)
    results = {name: summary.as_dict() for name, summary in summaries.items()}
    FIGURES.write_text(json.dumps({**about, "plan": asdict(plan), "results": results}, indent=2) + "\n")
    PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8"), table(summaries, about)), encoding="utf-8")


def with_figures(page: str, figures: str) -> str:
    """The page with other figures between the marks."""
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    changed, found = marked.subn(lambda _: f"{BEGIN}\n\n{figures}\n{END}", page)
    assert found == 1, f"there is no place for the figures: {BEGIN}"
    return changed


def table(summaries: Mapping[str, RunSummary], about: Mapping[str, Any]) -> str:
    """Markdown: what was done, and what had to be nought."""
    columns = {name: _figures(summary) for name, summary in summaries.items()}
    head = ["", *columns]
    rows = [[text, *(str(column[key]) for column in columns.values())] for key, text in _DONE.items()]
    rows += [[text, *(f"**{one.faults[key]}**" for one in summaries.values())] for key, text in FAULTS.items()]
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    when = f"{about['date']}, commit `{about['commit']}`, seed {about['seed']}; {about['machine']}; "
    what = f"one API and {WORKERS} workers, each a process of its own."
    return "\n".join([when + what, "", *lines, ""])


def _figures(summary: RunSummary) -> dict[str, Any]:
    named = f"{sum(summary.named_kills.values())} at {len(summary.named_kills)}"
    return {**summary.as_dict(), "named": named, "seconds": round(summary.seconds)}


def _about(plan: Plan) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("*" if _git("status", "--porcelain", "src") else ""),
        "seed": plan.seed,
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}",
    }


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or ("" if words[0] == "status" else "unknown")
