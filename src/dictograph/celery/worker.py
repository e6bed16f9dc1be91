"""The Celery worker itself: it hears the queue, and its pool waits for jobs. Another process keeps it running."""

from __future__ import annotations

import gc
import os
from typing import Any

from celery import signals
from celery.apps.worker import Worker as CeleryWorker
from kombu import transport

from dictograph.celery.processes import LOGS
from dictograph.celery.stop_line import StopLine
from dictograph.celery.task import listen_to
from dictograph.child.parent import end_with_parent, forks_end_with_parent
from dictograph.runtime import logs

_OURS = "dictograph.celery.transport:Transport"


class Worker(CeleryWorker):  # type: ignore[misc] # Celery ships no types
    """A worker whose tasks only wait: told to stop, it need not wait for them."""

    def on_before_init(self, **options: Any) -> None:
        """Prepare what the processes of the pool inherit."""
        end_with_parent()
        forks_end_with_parent()  # Celery's own way leaves those that have not begun yet
        if os.environ.get(LOGS):
            signals.setup_logging.connect(self._log_as_dictograph, weak=False)
        transport.TRANSPORT_ALIASES.update(redis=_OURS, rediss=_OURS)
        self._line = StopLine()
        listen_to(self._line)
        signals.worker_process_init.connect(self._only_listen, weak=False)
        super().on_before_init(**options)

    def setup_defaults(self, **options: Any) -> None:
        """Take messages by our consumer."""
        super().setup_defaults(**{**options, "consumer_cls": "dictograph.celery.consumer:Consumer"})

    def on_start(self) -> None:
        """Begin. What is in memory by now is shared with the processes of the pool, as long as nobody looks through
        it."""
        super().on_start()
        gc.collect()
        gc.freeze()

    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        """Have the waiting tasks put themselves back, then stop as Celery does."""
        self._line.stop()
        super().stop(in_sighandler, exitcode)

    def terminate(self, in_sighandler: bool = False) -> None:
        """Have the waiting tasks put themselves back, then stop as Celery does."""
        self._line.stop()
        super().terminate(in_sighandler)

    def _only_listen(self, **_: Any) -> None:
        self._line.only_listen()

    def _log_as_dictograph(self, **_: Any) -> None:
        settings = self.app.settings
        logs.configure(settings.log_level, settings.log_format)
