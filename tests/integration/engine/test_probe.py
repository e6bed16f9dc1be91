"""The proof of inference, and the samples that ship."""

from __future__ import annotations

import asyncio
import re

import pytest

from dictograph.engine.client import EngineChild
from dictograph.engine.probe import prove, sample
from dictograph.engine.protocol import EngineSpec, WindowOptions
from dictograph.errors import EngineFailed
from dictograph.samples import hello, hello_words
from tests.integration.engine.test_accuracy import recorded
from tests.service import TINY

SPHINX = EngineSpec(name="sphinx", factory="dictograph.engine.sphinx:load")
WHISPER = EngineSpec(name="whisper", factory="dictograph.engine.whisper.engine:load", model_path=str(TINY))
DEAF = EngineSpec(name="deaf", factory="tests.integration.engine.test_probe:Deaf")


class Deaf:
    """An engine that loads and hears nothing."""

    def __init__(self, spec: EngineSpec) -> None:
        from dictograph.engine.protocol import Capabilities

        self.capabilities = Capabilities(languages=frozenset({"en"}))

    def transcribe(self, windows: list[object], options: WindowOptions) -> list[object]:
        from dictograph.engine.protocol import WindowResult

        return [WindowResult() for _ in windows]


async def proved(spec: EngineSpec) -> None:
    child = await EngineChild.start(spec, 0, 120)
    try:
        await prove(child)
    finally:
        await child.kill()


@pytest.mark.parametrize("spec", [SPHINX, WHISPER], ids=["sphinx", "whisper"])
def test_an_engine_that_works_proves_it(spec: EngineSpec) -> None:
    asyncio.run(proved(spec))


def test_an_engine_that_hears_nothing_is_found_out() -> None:
    with pytest.raises(EngineFailed, match="deaf heard no words"):
        asyncio.run(proved(DEAF))


def test_sphinx_hears_the_samples_word_for_word() -> None:
    from dictograph.engine import sphinx
    from dictograph.engine.protocol import Window

    engine = sphinx.load(SPHINX)
    with hello() as path:
        results = engine.transcribe([Window(recorded(path)), sample()], WindowOptions(language="en"))
    greeting, count = [" ".join(segment.text for segment in result.segments) for result in results]
    assert greeting == re.sub("[^a-z ]", "", hello_words().lower())
    assert count == "one two three four five six seven eight"
