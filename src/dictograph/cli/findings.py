"""What a check of `dictograph doctor` comes to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dictograph.errors import DictographError
from dictograph.masking import masked
from dictograph.settings import Settings


class Verdict(StrEnum):
    """`warn`: it works, but a person should know."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """How something is, and what to do about it ("" when nothing)."""

    subject: str
    verdict: Verdict
    detail: str
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


#: A check gives (verdict, detail, advice); what it raises is a finding too.
Check = Callable[[Settings], Coroutine[Any, Any, tuple[Verdict, str, str]]]


async def find(subject: str, check: Check, settings: Settings) -> Finding:
    """Run a check. Whatever happens in it, there is a finding and no traceback."""
    try:
        verdict, detail, advice = await check(settings)
    except DictographError as error:
        verdict, detail, advice = Verdict.FAIL, error.message, ""
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding like any other
        verdict, detail, advice = Verdict.FAIL, f"{type(error).__name__}: {error}", "This is a fault of Dictograph."
    return Finding(subject, verdict, masked(detail), advice)
