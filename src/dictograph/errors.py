"""Everything that can go wrong, as one tree.

DictographError
├── RequestError                 what a caller asked for cannot be done (stage VALIDATION)
│   ├── InvalidRequest           ├── InvalidOption          ├── ModelNotAllowed
│   ├── NotFound                 ├── PathNotAllowed         ├── UploadTooLarge
│   ├── UploadIncomplete         ├── EmptyUpload            ├── JobStateConflict
│   ├── IdempotencyMismatch      ├── IdempotencyInProgress
│   ├── HostNotAllowed           ├── OriginNotAllowed       ├── Unauthorized
│   ├── ScopeMissing             ├── KeyNotUsable           └── TooManyRequests
├── FetchError                   the audio cannot be brought here (stage DOWNLOAD)
│   ├── AddressNotAllowed        ├── SourceNotFound         ├── SourceTooLarge
│   ├── SourceChanged            ├── FetchTimeout           └── FetchFailed
├── DecodeError                  the bytes cannot be turned into samples (stage DECODE)
│   ├── UnsupportedFormat        ├── NoAudioStream          ├── CorruptAudio
│   ├── AudioTooLong             ├── DecoderCrashed         ├── DecoderTimeout
│   ├── DecoderOutOfMemory       ├── DecoderLost            ├── ListenerFailed
│   └── SandboxUnavailable
├── TranscribeError              the samples cannot be turned into text (stage TRANSCRIBE)
│   ├── ModelUnavailable         it cannot be had; ModelOutOfReach: which may pass
│   ├── UnsupportedByEngine      ├── EngineFailed           ├── EngineCrashed
│   ├── EngineTimeout            ├── EngineOutOfMemory      └── ModelTooLarge
├── PublishError                 a result cannot be delivered (stage PUBLISH)
├── LostWorker                   the worker went away in the middle of an attempt
├── UnexpectedError              a fault of Dictograph itself
├── JobFailed                    (local.py) to a caller who waited: the job ended without a transcript
├── AgentDied                    (serving.py) a part of the process has died, and so it stops
├── BackupFailed                 a backup cannot be made, or not be put back
├── StorageFull, StorageUnavailable, ServerBusy
├── DatabaseUnavailable          it cannot be reached, or refuses
│   ├── DatabaseMissing          └── DatabaseReplaced
├── SettingsError                the service cannot start as it is configured
└── LeaseLost                    internal: this worker no longer owns the job

Each class carries a stable `code` that clients may test for, the `stage` it belongs to (or None),
whether another attempt may help (`retryable`), and the HTTP `status` it is answered with. The
message is written for the person who reads it: what was wrong, and what to do. `param` names the
option, field or header that was at fault, where one was. `detail` is what only the operator may know, such as hosts
and folders: `str(error)` has it, for logs and the command line; no client is shown it. `in_doubt` says that the
database was lost in the middle of a commit: what was to be written may be there all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar


class Stage(StrEnum):
    """Where on a job's way an error happened."""

    VALIDATION = "VALIDATION"
    DOWNLOAD = "DOWNLOAD"
    DECODE = "DECODE"
    TRANSCRIBE = "TRANSCRIBE"
    PUBLISH = "PUBLISH"


class DictographError(Exception):
    """Base of all errors that Dictograph raises on purpose."""

    code: ClassVar[str] = "internal_error"
    stage: ClassVar[Stage | None] = None
    retryable: ClassVar[bool] = False
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, param: str | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.detail = detail
        self.in_doubt = False

    def __str__(self) -> str:
        return f"{self.message.removesuffix('.')} ({self.detail})." if self.detail else self.message

    def as_dict(self) -> dict[str, Any]:
        """The one JSON shape of every error."""
        shape: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.stage is not None:
            shape["stage"] = self.stage.value
        if self.param is not None:
            shape["param"] = self.param
        return shape


class RequestError(DictographError):
    """The request cannot be fulfilled as it stands."""

    code = "invalid_request"
    stage = Stage.VALIDATION
    status = 400


class InvalidRequest(RequestError):
    """The request is not of the documented form."""

    status = 422


class InvalidOption(RequestError):
    """An option has a value that cannot be used."""

    code = "invalid_option"
    status = 422


class ModelNotAllowed(RequestError):
    """The model is not among those that this service offers."""

    code = "model_not_allowed"
    status = 422


class NotFound(RequestError):
    """There is no such thing, or it belongs to somebody else."""

    code = "not_found"
    status = 404


class PathNotAllowed(RequestError):
    """The path is outside the allowed roots, or is not there: the answer is the same."""

    code = "path_not_allowed"


class UploadTooLarge(RequestError):
    """The upload is larger than the limit."""

    code = "upload_too_large"
    status = 413


class UploadIncomplete(RequestError):
    """The upload ended before it was whole."""

    code = "upload_incomplete"


class EmptyUpload(RequestError):
    """The uploaded file has no bytes."""

    code = "empty_upload"


class JobStateConflict(RequestError):
    """The job's state does not allow this."""

    code = "job_state_conflict"
    status = 409


class IdempotencyMismatch(RequestError):
    """The Idempotency-Key was used for another request."""

    code = "idempotency_mismatch"
    status = 422


class IdempotencyInProgress(RequestError):
    """The first request with this Idempotency-Key is still being received."""

    code = "idempotency_in_progress"
    status = 409


class HostNotAllowed(RequestError):
    """The Host header names no host of this service."""

    code = "host_not_allowed"
    status = 403


class OriginNotAllowed(RequestError):
    """A web page of another origin may not do this."""

    code = "origin_not_allowed"
    status = 403


class Unauthorized(RequestError):
    """The caller must say who it is: with a key that is valid now."""

    code = "unauthorized"
    status = 401


class ScopeMissing(RequestError):
    """The key is valid, but not for this."""

    code = "scope_missing"
    status = 403


class KeyNotUsable(RequestError):
    """The key is revoked, expired or replaced, so this cannot be done with it."""

    code = "key_not_usable"
    status = 409


class TooManyRequests(RequestError):
    """The caller has used up what it may do in a while, or have waiting at once."""

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, *, retry_after: float = 1.0, param: str | None = None) -> None:
        """`retry_after` in seconds."""
        super().__init__(message, param=param)
        self.retry_after = retry_after


class FetchError(DictographError):
    """The audio could not be fetched."""

    code = "fetch_failed"
    stage = Stage.DOWNLOAD
    status = 502


class AddressNotAllowed(FetchError):
    """The URL, or one it redirects to, leads to an address that must not be called."""

    code = "address_not_allowed"
    status = 422


class SourceNotFound(FetchError):
    """The source answered that it does not have the audio."""

    code = "source_not_found"
    status = 422


class SourceTooLarge(FetchError):
    """The source has more bytes than the limit."""

    code = "source_too_large"
    status = 413


class SourceChanged(FetchError):
    """The file was changed while it was read."""

    code = "source_changed"
    status = 422


class FetchTimeout(FetchError):
    """The source did not deliver in time."""

    code = "fetch_timeout"
    retryable = True
    status = 504


class FetchFailed(FetchError):
    """The source could not be read this time."""

    retryable = True


class DecodeError(DictographError):
    """The audio could not be decoded."""

    code = "decode_failed"
    stage = Stage.DECODE
    status = 422


class UnsupportedFormat(DecodeError):
    """The bytes are in none of the formats that are accepted."""

    code = "unsupported_format"


class NoAudioStream(DecodeError):
    """The file is readable but holds no audio."""

    code = "no_audio_stream"


class CorruptAudio(DecodeError):
    """The file claims a known format but nothing in it can be decoded."""

    code = "corrupt_audio"


class AudioTooLong(DecodeError):
    """The audio is longer than the limit."""

    code = "audio_too_long"


class DecoderCrashed(DecodeError):
    """The decoder process died."""

    code = "decoder_crashed"
    retryable = True


class DecoderLost(DecoderCrashed):
    """The decoder process went with the server that makes decoders: no fault of the audio."""


class DecoderTimeout(DecodeError):
    """The decoder process made no progress in time."""

    code = "decoder_timeout"
    retryable = True


class DecoderOutOfMemory(DecodeError):
    """The decoder process outgrew its memory."""

    code = "decoder_out_of_memory"
    retryable = True


class ListenerFailed(DecodeError):
    """The voice detector's process failed."""

    code = "vad_failed"
    retryable = True
    status = 500


class SandboxUnavailable(DecodeError):
    """The process that would work on the audio cannot be confined as DICTOGRAPH_SANDBOX demands."""

    code = "sandbox_unavailable"
    status = 500


class TranscribeError(DictographError):
    """The audio could not be transcribed."""

    code = "transcribe_failed"
    stage = Stage.TRANSCRIBE


class ModelUnavailable(TranscribeError):
    """The model's weights are not here and cannot be had as things stand."""

    code = "model_unavailable"
    status = 503


class ModelOutOfReach(ModelUnavailable):
    """The model's weights are not here, for a reason that may pass: the hub is silent, the disk is full."""

    retryable = True


class ModelTooLarge(TranscribeError):
    """The model needs more memory than all models together may have."""

    code = "model_too_large"
    status = 503


class UnsupportedByEngine(TranscribeError):
    """The engine cannot do what was asked; it is never done silently in another way."""

    code = "unsupported_by_engine"
    status = 422


class EngineFailed(TranscribeError):
    """The engine reported an error for this window."""

    code = "engine_failed"
    retryable = True


class EngineCrashed(TranscribeError):
    """The engine process died on this job's window."""

    code = "engine_crashed"
    retryable = True


class EngineTimeout(TranscribeError):
    """The engine process did not answer in time."""

    code = "engine_timeout"
    retryable = True


class EngineOutOfMemory(TranscribeError):
    """The engine process outgrew its memory, or the machine's."""

    code = "engine_out_of_memory"
    retryable = True


class PublishError(DictographError):
    """A message could not be delivered."""

    code = "publish_failed"
    stage = Stage.PUBLISH


class LostWorker(DictographError):
    """The worker that ran the job went away before the end."""

    code = "worker_lost"
    retryable = True


class UnexpectedError(DictographError):
    """A fault of Dictograph itself; another attempt can only help."""

    retryable = True


class StorageFull(DictographError):
    """There is no room left for this."""

    code = "storage_full"
    retryable = True
    status = 507


class StorageUnavailable(DictographError):
    """The storage cannot be reached, or refuses."""

    code = "storage_unavailable"
    retryable = True
    status = 503


class DatabaseUnavailable(DictographError):
    """The database cannot be reached, or refuses."""

    code = "database_unavailable"
    retryable = True
    status = 503


class DatabaseMissing(DatabaseUnavailable):
    """The file of the database is not there; none is made in its place."""

    code = "database_missing"


class DatabaseReplaced(DatabaseUnavailable):
    """Another file lies where the database was opened; nothing is written to it."""

    code = "database_replaced"


class ServerBusy(DictographError):
    """Too many of these at once; try again shortly."""

    code = "server_busy"
    retryable = True
    status = 503


class BackupFailed(DictographError):
    """A backup cannot be made or restored; what was there before is as it was."""

    code = "backup_failed"


class SettingsError(DictographError):
    """A setting is unknown or has a value that cannot be used."""

    code = "invalid_settings"


class LeaseLost(DictographError):
    """This worker no longer owns the job; whatever it was about to write is void."""

    code = "lease_lost"


def kinds(base: type[DictographError] = DictographError) -> Iterator[type[DictographError]]:
    """A class and all beneath it."""
    yield base
    for child in base.__subclasses__():
        yield from kinds(child)


def kind_of(code: str) -> type[DictographError]:
    """The class that an error of this code has, or is nearest to."""
    return next((kind for kind in kinds() if kind.code == code), DictographError)
