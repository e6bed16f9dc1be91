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
from pathlib import Path
from typing import Any

from tests.service import ROOT
from tests.soak.faults import FAULTS, STT_FAULTS
from tests.soak.plan import Plan
from tests.soak.run import WORKERS
from tests.soak.summary import RunSummary

PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ROOT / "docs" / "figures" / "soak.json"
TRIALS = ROOT / "docs" / "figures" / "soak_trials.json"

#: The places in the page: of the runs, and of the trials.
BEGIN, END = "<!-- soak: written by `make soak` -->", "<!-- /soak -->"
BEGIN_TRIALS, END_TRIALS = "<!-- trials: written by `make soak` -->", "<!-- /trials -->"

_NONE = "–"

#: The rows of the table that say which run it was.
_ABOUT = {"date": "date", "commit": "commit", "seed": "seed", "machine": "machine"}

#: The rows between these and those of the faults.
_DONE = {
    "jobs": "jobs promised to clients",
    "random_kills": "SIGKILLs at random times",
    "named": "SIGKILLs at named places",
    "mid_attempt": "of all these, such as met a worker in the middle of an attempt",
    "servers": "SIGKILLs of servers",
    "failed_starts": "starts that a process gave up, its database being away",
    "topic_jobs": "of the jobs, from a topic",
    "topic_messages": "messages that asked for these, each pending job once more every second",
    "topic_results": "results that were read",
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
    figures = _figures(summary.as_dict())
    lines = [f"{name}:"]
    lines += [f"  {figures[key]:>8}  {text}" for key, text in (_DONE | FAULTS | STT_FAULTS).items()]
    lines += [f"  {key}: {item}" for key, items in summary.details.items() for item in items]
    return "\n".join(lines)


def write_figures(name: str, summary: RunSummary, plan: Plan) -> None:
    """Put them in the place of this combination's last ones: beside the page, and into it, between the marks."""
    entry = {**_about(), "seed": plan.seed, "plan": asdict(plan), "result": summary.as_dict()}
    _write(table(_stored(FIGURES, name, entry)), BEGIN, END)


def write_trial(name: str, figures: Mapping[str, Any]) -> None:
    """The same for a trial."""
    trials = _stored(TRIALS, name, {**_about(), "result": dict(figures)})
    rows = [
        f"| {each} | {one['date']}, `{one['commit']}` | "
        + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in one["result"].items())
        + " |"
        for each, one in trials.items()
    ]
    _write(
        "\n".join(["| trial | when | what came of it |", "| --- | --- | --- |", *rows, ""]), BEGIN_TRIALS, END_TRIALS
    )


def with_figures(page: str, figures: str, begin: str = BEGIN, end: str = END) -> str:
    """The page with other figures between the marks."""
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    changed, found = marked.subn(lambda _: f"{begin}\n\n{figures}\n{end}", page)
    assert found == 1, f"there is no place for the figures: {begin}"
    return changed


def _stored(file: Path, name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Put an entry into a file of figures, and return all that are there."""
    file.parent.mkdir(exist_ok=True)
    entries: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    entries[name] = entry
    file.write_text(json.dumps(entries, indent=2) + "\n")
    return entries


def _write(figures: str, begin: str, end: str) -> None:
    PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8"), figures, begin, end), encoding="utf-8")


def table(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: what was done, and what had to be nought."""
    columns = {name: {**run, **_figures(run["result"], "**{}**")} for name, run in runs.items()}
    head = ["", *columns]
    rows = [
        [text, *(str(column.get(key, _NONE)) for column in columns.values())]
        for key, text in (_ABOUT | _DONE | FAULTS | STT_FAULTS).items()
    ]
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    what = f"One API (none on K) and {WORKERS} workers, each a process of its own, on one machine with their servers."
    return "\n".join([what, "", *lines, ""])


def _figures(result: Mapping[str, Any], fault: str = "{}") -> dict[str, Any]:
    """What the table says of a run; nothing is said of jobs from a topic where there were none."""
    named = f"{sum(result['named_kills'].values())} at {len(result['named_kills'])}"
    servers = ", ".join(f"{name} {times}" for name, times in result.get("servers_killed", {}).items()) or _NONE
    known = FAULTS | (STT_FAULTS if result.get("topic_jobs") else {})
    faults = {key: fault.format(result["faults"][key]) for key in known}
    hidden = dict.fromkeys(STT_FAULTS, _NONE)
    return {**result, **hidden, **faults, "named": named, "servers": servers, "seconds": round(result["seconds"])}


def _about() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("*" if _git("status", "--porcelain", "src") else ""),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}",
    }


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or ("" if words[0] == "status" else "unknown")
