"""The limits, model and default options of a contract's jobs. They are frozen into each job when it is created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dictograph.contract import Contract, JobLimits
from dictograph.job import Options
from dictograph.service.request import check_options
from dictograph.settings.model import Settings

_WHISPER = "whisper"


def limits_of(settings: Settings, contract: Contract) -> JobLimits:
    """Return the limits of jobs of this contract."""
    match contract:
        case Contract.GATEWAY:
            return JobLimits(max_bytes=settings.gateway_max_upload)
        case Contract.BACKEND:
            return JobLimits(max_bytes=settings.backend_max_upload, max_attempts=settings.backend_max_attempts or None)
        case Contract.STT_WORKER:
            return JobLimits(
                max_bytes=settings.stt_max_bytes,
                max_audio=settings.stt_max_audio,
                all_attempts=settings.stt_max_attempts,
                download_timeout=settings.stt_download_timeout,
                attempt_timeout=settings.stt_attempt_timeout,
                backoff_base=settings.stt_backoff_base,
                backoff_cap=settings.stt_backoff_max,
            )
        case _:
            return JobLimits()


def options_of(settings: Settings, contract: Contract, given: Mapping[str, Any] | None = None) -> Options:
    """Return the options of a job of this contract: the client's options override the contract's defaults.

    A model named by the contract or the client means engine `whisper`. A model named by a client of the backend
    contract is ignored where the operator has set so.

    Raises:
        InvalidOption: an option is unknown or has a bad value; the error names the first one.
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
        case Contract.STT_WORKER:
            return _model(settings.stt_model)
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
