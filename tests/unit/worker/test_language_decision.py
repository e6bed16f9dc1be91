"""The language of a job from its first windows: weighted by their length, and no more of them than needed."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dictograph.audio.plan import Span
from dictograph.engine.protocol import SAMPLE_RATE, Capabilities
from dictograph.errors import EngineFailed
from dictograph.job import Options
from dictograph.worker.language_decision import LanguageDecision
from dictograph.worker.pipeline_window import PipelineWindow
from dictograph.worker.planning import NumberedWindow

KNOWS = Capabilities(frozenset({"de", "en", "fr"}), detects_language=True, multilingual=True)
ONE = Capabilities(frozenset({"en"}))

Heard = Sequence[tuple[float, Mapping[str, float]]]


def decide(
    heard: Heard, capabilities: Capabilities = KNOWS, **options: Any
) -> tuple[str, float | None, list[str], list[int]]:
    """What is decided from windows, given as seconds and probabilities: language, probability, codes of warnings; and
    which windows were asked for."""
    asked: list[int] = []

    def detect(window: NumberedWindow) -> Future[Any]:
        asked.append(window.index)
        answer: Future[Any] = asyncio.get_running_loop().create_future()
        answer.set_result(dict(heard[window.index][1]))
        return answer

    async def run() -> tuple[str, float | None, list[str]]:
        decision = LanguageDecision(Options(**options), capabilities, "digest", detect, lambda: None)
        windows = [_window(index, seconds) for index, (seconds, _) in enumerate(heard)]
        language, probability, warnings = await decision.of(windows)
        return language, probability, [warning.code for warning in warnings]

    return *asyncio.run(run()), asked


def _window(index: int, seconds: float) -> NumberedWindow:
    return NumberedWindow(index, PipelineWindow(Span(0, int(seconds * SAMPLE_RATE)), "", (), None, Path("a.pcm")))


def test_two_windows_are_enough_where_they_are_sure() -> None:
    sure = {"de": 0.95, "en": 0.05}
    assert decide([(20, sure)] * 4) == ("de", 0.95, [], [0, 1])


def test_where_they_are_not_all_are_asked_and_the_long_ones_count_more() -> None:
    heard = [(2, {"en": 1.0}), (2, {"en": 1.0}), (28, {"de": 0.9, "en": 0.1}), (28, {"de": 0.9, "en": 0.1})]
    unsure = [(2, {"en": 0.8, "de": 0.2}), *heard[1:]]
    language, probability, warnings, asked = decide(unsure)
    assert (language, warnings, asked) == ("de", [], [0, 1, 2, 3])
    assert probability == pytest.approx((2 * 0.2 + 56 * 0.9) / 60, abs=1e-4)


def test_a_language_that_was_hardly_decided_is_told_unless_each_window_has_its_own() -> None:
    hardly = [(20, {"de": 0.6, "en": 0.4})] * 4
    assert decide(hardly)[:3] == ("de", 0.6, ["language_uncertain"])
    assert decide(hardly, multilingual=True)[2] == []


def test_among_those_of_the_job_the_others_have_no_weight() -> None:
    assert decide([(20, {"fr": 0.7, "de": 0.27, "en": 0.03})], language=["de", "en"])[:2] == ("de", 0.9)


@pytest.mark.parametrize(("capabilities", "options"), [(KNOWS, {"language": "en"}), (ONE, {})])
def test_one_language_is_not_asked_for(capabilities: Capabilities, options: dict[str, Any]) -> None:
    assert decide([(20, {"de": 1.0})], capabilities, **options) == ("en", None, [], [])


def test_an_engine_that_names_no_language_is_at_fault() -> None:
    with pytest.raises(EngineFailed, match="digest named no language"):
        decide([(20, {})] * 2)
