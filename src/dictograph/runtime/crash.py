"""Named points at which a test can make the process die, as in a power cut.

`DICTOGRAPH_CRASH_AT=window.committed:3` kills the process the third time it gets there.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

from dictograph.errors import SettingsError


class Point(StrEnum):
    """All points, in the order in which a job passes them.

    A point with a name in -ed comes after the commit of the transaction, one in -ing inside the transaction. Of a
    message, they are before and after it is sent.
    """

    PART_UPLOADED = "part.uploaded"
    UPLOAD_STORED = "upload.stored"
    OBJECT_COPIED = "object.copied"
    JOB_CREATED = "job.created"
    INTAKE_STORED = "intake.stored"
    JOB_CLAIMED = "job.claimed"
    AUDIO_STORED = "audio.stored"
    AUDIO_RECORDED = "audio.recorded"
    ENGINE_FROZEN = "engine.frozen"
    WINDOWS_PLANNING = "windows.planning"
    WINDOWS_PLANNED = "windows.planned"
    LANGUAGE_FROZEN = "language.frozen"
    WINDOW_TRANSCRIBED = "window.transcribed"
    WINDOW_COMMITTING = "window.committing"
    WINDOW_COMMITTED = "window.committed"
    PLAN_FINISHED = "plan.finished"
    JOB_COMPLETING = "job.completing"
    JOB_COMPLETED = "job.completed"
    MESSAGE_SENDING = "message.sending"
    MESSAGE_ACKED = "message.acked"
    OFFSET_COMMITTING = "offset.committing"


class CrashPoints:
    """The armed point, if any. `reach` is called at every point and costs next to nothing."""

    def __init__(self, armed: str = "") -> None:
        name, _, times = armed.partition(":")
        if name and name not in {point.value for point in Point}:
            raise SettingsError(f"DICTOGRAPH_CRASH_AT names no crash point: {name!r}.")
        if times and not times.isdigit():
            raise SettingsError(f"DICTOGRAPH_CRASH_AT: {times!r} is no number of times.")
        self._armed, self._left = name, int(times or 1)

    def reach(self, point: Point) -> None:
        """Kill the process here with SIGKILL if this point is armed and was passed often enough."""
        if point.value != self._armed:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
