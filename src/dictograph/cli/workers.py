"""`dictograph workers`: the workers, and their jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from dictograph.cli.client.job_client import Place, place_options, with_client
from dictograph.cli.options import option
from dictograph.cli.text.job_text import Shape, when
from dictograph.cli.text.text_table import clipped, table

_WIDTH = 60


@click.command()
@option("as_json")
@place_options
def workers(as_json: bool, server: str | None, data_dir: Path | None) -> None:
    """Show the workers that run, and their jobs.

    The workers are those of the service at --server, else those of the database in the data folder. A worker that was
    killed on another machine may still be shown for some seconds.
    """
    found = with_client(Place(server, data_dir), lambda client: client.workers())
    click.echo(json.dumps(found, indent=2) if as_json else _listed(found))


def _listed(found: Sequence[Shape]) -> str:
    lines = [table(("HOST", "PID", "SINCE", "JOBS", "STATE", "ENGINES"), [_row(worker) for worker in found])]
    lines += [
        f"{worker['host']} {worker['pid']} runs {job['id']} since {when(job['since'])}: {clipped(job['filename'], 40)}"
        for worker in found
        for job in worker["jobs"]
    ]
    return "\n".join(lines)


def _row(worker: Shape) -> tuple[str, ...]:
    return (
        worker["host"],
        str(worker["pid"]),
        when(worker["started_at"]),
        f"{worker['running']}/{worker['slots']}",
        "ready" if worker["ready"] else clipped(worker["reason"] or "not ready", _WIDTH),
        ", ".join(_engine(engine) for engine in worker["engines"]) or "none yet",
    )


def _engine(engine: Shape) -> str:
    state = f"process {engine['pid']}" if engine["pid"] else clipped(engine["reason"] or engine["state"], _WIDTH)
    return f"{engine['engine']} {engine['model']} ({state})"
