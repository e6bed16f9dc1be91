"""Prove that an engine works: have it transcribe a sample that ships with Dictograph."""

from __future__ import annotations

import io
import wave

import numpy as np

from dictograph.engine.client import EngineChild
from dictograph.engine.protocol import SAMPLE_RATE, Window, WindowOptions
from dictograph.errors import EngineFailed
from dictograph.samples import count_wav

#: Enough for the largest model on a slow CPU, in seconds.
_TIMEOUT_S = 120.0


async def prove(child: EngineChild, timeout: float = _TIMEOUT_S) -> float:
    """Have three seconds of English transcribed; return their exact number.

    An engine that knows English must find words in them; which words depends on its model.

    Raises:
        EngineFailed: it found no words, or reported that it cannot transcribe.
        EngineCrashed, EngineTimeout, EngineOutOfMemory: as EngineChild.transcribe.
    """
    languages = child.capabilities.languages
    language = "en" if "en" in languages else min(languages, default=None)
    window = sample()
    (result,) = await child.transcribe([window], WindowOptions(language=language, beam_size=1), timeout)
    if language == "en" and not any(segment.text.strip() for segment in result.segments):
        raise EngineFailed(f"The engine {child.spec.name} heard no words in a sample of clear English.")
    return len(window.samples) / SAMPLE_RATE


def sample() -> Window:
    """Return the window that `prove` has transcribed."""
    with wave.open(io.BytesIO(count_wav())) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE, 1, 2)
        return Window(np.frombuffer(file.readframes(file.getnframes()), dtype="<i2"))
