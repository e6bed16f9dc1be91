"""Hands a source to the application: a file by its path, a pipe and standard input as they come, a URL by name."""

from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from dictograph.cli.transcribe.sources import STDIN, is_url
from dictograph.errors import SourceNotFound
from dictograph.job import Job
from dictograph.runtime.daemon_thread import in_daemon_thread
from dictograph.service.intake import Intake
from dictograph.service.request import JobRequest


async def send(intake: Intake, order: JobRequest, source: str) -> Job:
    """Make a job of a source. Raises DictographError; SourceNotFound when it cannot be read."""
    if source == STDIN:
        with _standard_input() as stream:
            return (await intake.upload(order, "stdin", stream)).job
    if is_url(source):
        return (await intake.url(order, source)).job
    path, is_stream = await asyncio.to_thread(_look_at, source)
    if is_stream:
        with await in_daemon_thread(lambda: path.open("rb", buffering=0)) as stream:
            return (await intake.upload(order, path.name, stream)).job
    return (await intake.path(order, str(path))).job


def _standard_input() -> BinaryIO:
    """Return standard input without a buffer: Python cannot end while a thread that waits for input holds one."""
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


def _look_at(source: str) -> tuple[Path, bool]:
    """Return the source's absolute path, and whether it is a pipe, as a shell makes it for `<(…)`.

    Raises:
        SourceNotFound: the source cannot be read.
    """
    path = Path(source).absolute()
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
    except OSError as error:
        raise SourceNotFound(f"It cannot be read: {error.strerror}.") from error
    return path, not stat.S_ISREG(mode)
