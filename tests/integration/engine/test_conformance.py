"""What every engine must hold to: each window by itself, the same bytes whatever went before or beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from dictograph.engine.client import EngineChild
from dictograph.engine.host import factory_of
from dictograph.engine.protocol import MAX_WINDOW_S, SAMPLE_RATE, Engine, Window, WindowOptions, WindowResult
from dictograph.errors import UnsupportedByEngine
from tests.integration.engine.cases import CASES, Case, noises
from tests.voices import noise, silence

OPTIONS = WindowOptions(language="en")

every_engine = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@cache
def _engine(name: str) -> Engine:
    spec = next(case.spec for case in CASES if case.name == name)
    return factory_of(spec)(spec)


@cache
def _alone(name: str) -> list[str]:
    """The results of a case's windows, each given alone to one and the same engine."""
    case = next(case for case in CASES if case.name == name)
    return [_bytes(_engine(name).transcribe([window], OPTIONS))[0] for window in case.speech()]


def _bytes(results: Sequence[WindowResult]) -> list[str]:
    return [json.dumps(result.as_dict()) for result in results]


@every_engine
def test_understands_what_is_said(case: Case) -> None:
    (result,) = _engine(case.name).transcribe([case.sentence()], OPTIONS)
    assert " ".join(segment.text for segment in result.segments) == case.words
    assert " ".join(word.word for segment in result.segments for word in segment.words) == case.words


@every_engine
def test_neither_batch_nor_order_changes_a_byte(case: Case) -> None:
    engine, windows, alone = _engine(case.name), case.speech(), _alone(case.name)
    assert any('"text"' in result for result in alone)
    assert _bytes(engine.transcribe(windows[::-1], OPTIONS)) == alone[::-1]
    mixed = [windows[1], noises()[3], windows[1], windows[0]]
    results = _bytes(engine.transcribe(mixed, OPTIONS))
    assert [results[0], *results[2:]] == [alone[1], alone[1], alone[0]]


@every_engine
def test_nothing_is_remembered(case: Case) -> None:
    engine, windows, alone = _engine(case.name), case.speech(), _alone(case.name)
    engine.transcribe([Window(noise("white", -6, 3, seed=1)), Window(silence(2))], OPTIONS)
    engine.detect(windows[:1])
    assert _bytes(engine.transcribe(windows[:2], OPTIONS)) == alone[:2]


@every_engine
def test_a_fresh_process_gives_the_same_bytes_wherever_the_window_starts(case: Case) -> None:
    """Both sides are children, as in the service: a process with other variables may have another BLAS."""

    async def ask(start: float, together: bool) -> list[WindowResult]:
        windows = [replace(window, start=start) for window in case.speech()]
        child = await EngineChild.start(case.spec, 0, 60)
        try:
            assert child.capabilities == _engine(case.name).capabilities
            if together:
                return await child.transcribe(windows, OPTIONS, 120)
            return [(await child.transcribe([window], OPTIONS, 120))[0] for window in windows]
        finally:
            await child.close()

    assert _bytes(asyncio.run(ask(1234.5, together=True))) == _bytes(asyncio.run(ask(0.0, together=False)))


@every_engine
def test_digital_silence_gives_nothing(case: Case) -> None:
    still = Window(np.full(3 * SAMPLE_RATE, -7, np.int16))
    results = _engine(case.name).transcribe([Window(silence(3)), still, Window(silence(MAX_WINDOW_S))], OPTIONS)
    assert results == [WindowResult(), WindowResult(), WindowResult()]


@every_engine
def test_noise_gives_nothing(case: Case) -> None:
    if not case.deaf_to_noise:
        pytest.skip("this engine relies on the voice detection before it")
    assert all(result.segments == () for result in _engine(case.name).transcribe(noises(), OPTIONS))


@every_engine
@pytest.mark.parametrize("samples", [0, 1, 159, 400, 1_600, 1_760])
def test_the_shortest_windows_are_survived(case: Case, samples: int) -> None:
    sound = noise("white", -12, 1, seed=2)[:samples]
    (result,) = _engine(case.name).transcribe([Window(sound)], OPTIONS)
    _check_times(result, samples)
    assert len(_engine(case.name).detect([Window(sound)])) == 1


@every_engine
def test_times_are_in_order_and_inside_the_window(case: Case) -> None:
    speech = np.concatenate([window.samples for window in case.speech()] * 9)
    full = speech[: int(MAX_WINDOW_S * SAMPLE_RATE)]
    assert len(full) == MAX_WINDOW_S * SAMPLE_RATE
    (result,) = _engine(case.name).transcribe([Window(full)], OPTIONS)
    assert len(result.segments) > 1
    _check_times(result, len(full))


def _check_times(result: WindowResult, samples: int) -> None:
    position = 0.0
    for segment in result.segments:
        assert segment.start == segment.words[0].start
        assert segment.end == segment.words[-1].end
        for word in segment.words:
            assert position <= word.start <= word.end
            assert 0 <= word.probability <= 1
            position = word.end
    assert position <= samples / SAMPLE_RATE


@every_engine
def test_what_it_cannot_do_is_refused_by_name(case: Case) -> None:
    engine, windows = _engine(case.name), [case.sentence()]
    with pytest.raises(UnsupportedByEngine, match="'tlh'"):
        engine.transcribe(windows, replace(OPTIONS, language="tlh"))
    if "translate" not in engine.capabilities.tasks:
        with pytest.raises(UnsupportedByEngine, match="'translate'"):
            engine.transcribe(windows, replace(OPTIONS, task="translate"))


@every_engine
def test_languages_have_probabilities(case: Case) -> None:
    engine = _engine(case.name)
    for shares in engine.detect(case.speech()):
        assert set(shares) <= engine.capabilities.languages
        assert max(shares, key=lambda code: shares[code]) == "en"
        assert sum(shares.values()) == pytest.approx(1, abs=0.01)


@every_engine
def test_no_windows_no_results(case: Case) -> None:
    assert _engine(case.name).transcribe([], OPTIONS) == []
    assert _engine(case.name).detect([]) == []
