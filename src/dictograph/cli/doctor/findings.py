"""The result of a check of `dictograph doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dictograph.errors import DictographError
from dictograph.runtime.disk import FULL
from dictograph.runtime.redaction import redacted
from dictograph.settings.model import Settings


class Verdict(StrEnum):
    """The verdict of a check. `warn`: it works, but a person should know about it."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one subject, and the advice for it ("" if none is needed)."""

    subject: str
    verdict: Verdict
    detail: str
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


#: The result of a check: verdict, detail, advice. An exception of a check becomes a finding too.
Result = tuple[Verdict, str, str]

_RIGHTS = "Check that the folder is there and that this user may write in it, or name another in the settings."
_ROOM = "Free some space on its disk, or name a folder on another one in the settings."

Check = Callable[[Settings], Coroutine[Any, Any, Result]]


def in_thread(look: Callable[[Settings], Result]) -> Check:
    """Return a check that calls a blocking function in a thread."""

    async def check(settings: Settings) -> Result:
        return await asyncio.to_thread(look, settings)

    return check


async def find(subject: str, check: Check, settings: Settings) -> Finding:
    """Run a check. Every exception in it becomes a finding, without a traceback."""
    try:
        verdict, detail, advice = await check(settings)
    except DictographError as error:
        verdict, detail, advice = Verdict.FAIL, str(error), ""
    except OSError as error:
        verdict, detail = Verdict.FAIL, f"{error.filename or 'the system'}: {error.strerror}"
        advice = _ROOM if error.errno in FULL else _RIGHTS
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding like any other
        verdict, detail, advice = Verdict.FAIL, f"{type(error).__name__}: {error}", "This is a fault of Dictograph."
    return Finding(subject, verdict, redacted(detail), advice)
