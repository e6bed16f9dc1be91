"""The possible outcomes of an attempt, as values: the runner resolves them in one match."""

from __future__ import annotations

from dataclasses import dataclass

from dictograph.errors import DictographError


@dataclass(frozen=True, slots=True)
class Completed:
    """Every window is committed."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended with an error; the store decides whether there is another attempt."""

    error: DictographError


@dataclass(frozen=True, slots=True)
class Released:
    """The worker releases the job, and the attempt is not counted: the worker stops, or cannot run the job yet."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The job is no longer this worker's: it was cancelled, deleted, or given to another worker. Nothing is written."""


Outcome = Completed | Failed | Released | Lost


class ReleaseRequested(Exception):
    """Ends an attempt whose job is to be released: its worker stops, or cannot run the job yet."""


class PlanChanged(Exception):
    """Ends an attempt that cannot go on with the windows of an earlier one.

    The audio decodes to other samples than those that were transcribed already.
    """

    code = "audio_changed"
    reason = "the audio decodes differently now"


class RulesChanged(PlanChanged):
    """Ends an attempt whose job was begun under other rules."""

    code = "rules_changed"
    reason = "it was begun under other rules of detection, planning and decoding"
