"""The host of a Celery worker: a worker like any other, which ends with the process that started it."""

from __future__ import annotations

import asyncio
import signal
import sys

from dictograph import run_server
from dictograph.child.parent import end_with_parent, start_watching
from dictograph.cli.main import complain, exit_code
from dictograph.errors import DictographError
from dictograph.runtime import logs
from dictograph.settings.handed import handed_settings


def main() -> int:
    """Run jobs until this process is told to stop, or its parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is left to the parent
    start_watching(end_with_parent())
    settings = handed_settings()
    if settings is None:
        sys.exit("dictograph: the host of a Celery worker is started by `celery -A dictograph.celery worker`")
    logs.configure(settings.log_level, settings.log_format)
    try:
        asyncio.run(run_server.run(settings, api=False, worker=True, hosted=True, say=lambda _: None))
    except DictographError as error:
        complain(error)
        return exit_code(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
