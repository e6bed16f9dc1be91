"""A task's request in Celery's main process: what ends a waiting task says nothing about its job."""

from __future__ import annotations

from typing import Any

from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.request import Request

log = get_logger(__name__)


class WaitingRequest(Request):  # type: ignore[misc] # Celery ships no types
    """The request of a task that waits. At a hard limit its message goes back into the queue, and nothing is stored."""

    _was_put_back = False

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Put the message back when the hard limit has ended the process of the pool."""
        if soft or self.acknowledged:
            super().on_timeout(soft, timeout)
            return
        log.warning("task %s waited for longer than its limit of %s s; another one waits for the job", self.id, timeout)
        self._was_put_back = True
        state.task_ready(self)
        self.reject(requeue=True)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """Store no failure for a task whose message was put back."""
        if not self._was_put_back:
            super().on_failure(exc_info, send_failed_event, return_ok)
