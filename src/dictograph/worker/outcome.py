"""What an attempt can come to, as values: the runner resolves them in one match."""

from __future__ import annotations

from dataclasses import dataclass

from dictograph.errors import DictographError


@dataclass(frozen=True, slots=True)
class Completed:
    """Every window is committed."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended with an error; whether there is another one is the store's to say."""

    error: DictographError


@dataclass(frozen=True, slots=True)
class Released:
    """The worker gives the job back, uncounted: it is stopping, or cannot run it yet."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The job is no longer this worker's: cancelled, deleted, or given to another. Nothing is written."""


Outcome = Completed | Failed | Released | Lost


class GivenBack(Exception):
    """Raised inside an attempt that reached a good place to stop, since its worker is stopping."""


class PlanChanged(Exception):
    """Raised inside an attempt that cannot go on with the windows of an earlier one: its audio decodes to other samples
    than those already transcribed."""

    code = "audio_changed"
    reason = "the audio decodes differently now"


class RulesChanged(PlanChanged):
    """Raised inside an attempt whose job was begun under other rules."""

    code = "rules_changed"
    reason = "it was begun under other rules of detection, planning and decoding"
