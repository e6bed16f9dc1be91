"""The contract's codes and stages for the errors of jobs."""

from __future__ import annotations

from dictograph.errors import kinds
from dictograph.job import ErrorRecord

CANCELLED = "CANCELLED"
INTERNAL_ERROR = "INTERNAL_ERROR"

VALIDATION, DOWNLOAD, TRANSCRIBE, PUBLISH = "VALIDATION", "DOWNLOAD", "TRANSCRIBE", "PUBLISH"

_CODES = {
    "address_not_allowed": "DOWNLOAD_FAILED",
    "source_not_found": "DOWNLOAD_FAILED",
    "source_changed": "DOWNLOAD_FAILED",
    "fetch_failed": "DOWNLOAD_FAILED",
    "fetch_timeout": "DOWNLOAD_TIMEOUT",
    "source_too_large": "AUDIO_TOO_LARGE",
    "upload_too_large": "AUDIO_TOO_LARGE",
    "audio_too_long": "AUDIO_TOO_LONG",
    "engine_timeout": "TRANSCRIBE_TIMEOUT",
    "attempt_timeout": "TRANSCRIBE_TIMEOUT",
    "model_unavailable": "MODEL_LOAD_FAILED",
    "model_too_large": "MODEL_LOAD_FAILED",
    "model_not_allowed": "MODEL_LOAD_FAILED",
    "internal_error": INTERNAL_ERROR,
}
_OF_STAGE = {"DOWNLOAD": "DOWNLOAD_FAILED", "DECODE": "UNSUPPORTED_FORMAT", "TRANSCRIBE": "TRANSCRIBE_FAILED"}
_STAGES = {
    "DOWNLOAD_FAILED": DOWNLOAD,
    "DOWNLOAD_TIMEOUT": DOWNLOAD,
    "AUDIO_TOO_LARGE": DOWNLOAD,
    "AUDIO_TOO_LONG": DOWNLOAD,
    "UNSUPPORTED_FORMAT": DOWNLOAD,
    "PUBLISH_FAILED": PUBLISH,
}


def code_of(error: ErrorRecord) -> str:
    """Return the contract's code for the error of a job."""
    return _CODES.get(error.code) or _OF_STAGE.get(error.stage or "", INTERNAL_ERROR)


def contract_code(code: str) -> str:
    """Return the contract's code for one of our codes."""
    stages = {kind.code: kind.stage for kind in kinds()}
    stage = stages.get(code)
    return code_of(ErrorRecord(code, "", stage.value if stage else None))


def stage_of(code: str) -> str:
    """Return the stage of a dead letter with this code. What cannot be placed happened in the middle of the work."""
    return _STAGES.get(code, TRANSCRIBE)
