"""What a contract gives its jobs: limits, a model, defaults of options; frozen into each of them when it is created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dictograph.contract import Contract, JobLimits
from dictograph.job import Options
from dictograph.service.request import check_options
from dictograph.settings.model import Settings

_WHISPER = "whisper"


def limits_of(settings: Settings, contract: Contract) -> JobLimits:
    """What jobs that come in through this contract may be."""
    match contract:
        case Contract.GATEWAY:
            return JobLimits(max_bytes=settings.gateway_max_upload)
        case Contract.BACKEND:
            return JobLimits(max_bytes=settings.backend_max_upload, max_attempts=settings.backend_max_attempts or None)
        case _:
            return JobLimits()


def options_of(settings: Settings, contract: Contract, given: Mapping[str, Any] | None = None) -> Options:
    """The options of a job of this contract: what the client gave over what the contract says.

    A model that the contract or the client names means engine `whisper`. One that a client of the backend names is
    not heeded where the operator said so.

    Raises:
        InvalidOption: naming the first that is unknown or has a bad value.
    """
    options = {**_defaults(settings, contract), **(given or {})}
    if contract is Contract.BACKEND and settings.backend_modes == ["none"]:
        options |= {"model": settings.backend_model or None}
    if options.get("model") and "engine" not in options:
        options["engine"] = _WHISPER
    return check_options(options, strict=False)


def _defaults(settings: Settings, contract: Contract) -> dict[str, Any]:
    match contract:
        case Contract.GATEWAY:
            return _model(settings.gateway_model)
        case Contract.PATH:
            return _model(settings.path_model)
        case Contract.BACKEND:
            return _model(settings.backend_model) | {
                "beam_size": settings.backend_beam_size,
                "word_timestamps": settings.backend_word_timestamps,
                "vad_filter": settings.backend_vad_filter,
                "vad_min_silence_duration_ms": settings.backend_vad_min_silence_duration_ms,
            }
        case _:
            return {}


def _model(name: str) -> dict[str, Any]:
    return {"model": name} if name else {}
