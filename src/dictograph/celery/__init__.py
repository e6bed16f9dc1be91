"""Celery on Redis: a task waits for its job. A worker of ours beside it, the host, runs the jobs.

`celery -A dictograph.celery worker` finds `app` here. Importing this opens nothing, and reads no settings.
"""

from dictograph.celery.app import app

__all__ = ["app"]
