"""The errors that a task ends with. Each has one text, so that a client without Dictograph can read it too."""

from __future__ import annotations


class JobFailed(Exception):
    """The job has failed."""


class JobCancelled(Exception):
    """The job was cancelled."""


class JobUnknown(Exception):
    """There is no such job in the database."""


#: The errors that belong to the job and not to the task: they are logged without a traceback.
OF_JOBS = (JobFailed, JobCancelled, JobUnknown)
