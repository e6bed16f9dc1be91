"""The contract of whisper-asr-webservice, which programs that make subtitles use."""

from __future__ import annotations

from dictograph.api.asr.errors import refusal
from dictograph.api.asr.routes import asr_routes
from dictograph.api.surface import Parts, Surface
from dictograph.contract import Contract


def surface(parts: Parts) -> Surface:
    """Return the routes of this contract."""
    return Surface(Contract.ASR, [asr_routes(parts)], refusal=refusal)
