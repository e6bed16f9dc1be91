"""Contract O: OpenAI's audio API, as OpenAI's own package and many other clients use it."""

from __future__ import annotations

from dictograph.api.openai.audio import audio_routes
from dictograph.api.openai.errors import refusal
from dictograph.api.openai.models import list_routes, model_routes
from dictograph.api.surface import Parts, Surface
from dictograph.contract import Contract


def surface(parts: Parts) -> Surface:
    """Return the routes of this contract."""
    routers = [audio_routes(parts), list_routes(parts.services), model_routes(parts.services)]
    return Surface(Contract.OPENAI, routers, refusal=refusal)
