"""All errors of Dictograph, as one tree of classes.

DictographError
├── RequestError                 a request cannot be fulfilled (stage VALIDATION)
│   ├── InvalidRequest           ├── InvalidOption          ├── ModelNotAllowed
│   ├── NotFound                 ├── PathNotAllowed         ├── UploadTooLarge
│   ├── UploadIncomplete         ├── EmptyUpload            ├── JobStateConflict
│   │   (ResultOwed: its sender still gets a result)
│   ├── IdempotencyMismatch      ├── IdempotencyInProgress
│   ├── HostNotAllowed           ├── OriginNotAllowed       ├── Unauthorized
│   ├── ScopeMissing             ├── KeyNotUsable           └── TooManyRequests (QueueFull)
├── FetchError                   the audio cannot be fetched (stage DOWNLOAD)
│   ├── AddressNotAllowed        ├── SourceNotFound         ├── SourceTooLarge
│   ├── SourceChanged            ├── FetchTimeout           └── FetchFailed
├── DecodeError                  the bytes cannot be turned into samples (stage DECODE)
│   ├── UnsupportedFormat        ├── NoAudioStream          ├── CorruptAudio
│   ├── NoSuchTrack              ├── NoSuchChannel          ├── TooManyChannels
│   ├── AudioTooLong             ├── DecoderCrashed         ├── DecoderTimeout
│   ├── DecoderOutOfMemory       ├── DecoderLost            ├── ListenerFailed
│   └── SandboxUnavailable
├── TranscribeError              the samples cannot be turned into text (stage TRANSCRIBE)
│   ├── ModelUnavailable         its weights are not available; ModelOutOfReach: for a reason that may pass
│   ├── UnsupportedByEngine      ├── EngineFailed           ├── EngineCrashed
│   ├── EngineTimeout            ├── EngineOutOfMemory      ├── ModelTooLarge
│   └── AttemptTimeout
├── PublishError                 a result cannot be delivered (stage PUBLISH)
├── LostWorker                   the worker died in the middle of an attempt
├── UnexpectedError              a fault of Dictograph itself
├── JobFailed                    (embedded.py) for a caller that waited: the job ended without a transcript
├── AgentDied                    (run_server.py) a part of the process has died, and so the process stops
├── BackupFailed                 a backup cannot be made or restored
├── StorageFull, ServerBusy, BrokerUnavailable
├── StorageUnavailable           ScratchRemoved: the folder of decoded audio, under a running job
│   └── StorageOutage            a bucket's server is away, or refuses
├── DatabaseUnavailable          the database cannot be reached, or refuses the operation
│   ├── DatabaseMissing          └── DatabaseReplaced
├── SettingsError                the service cannot start as it is configured
└── LeaseLost                    internal: this worker no longer owns the job

Each class has a stable `code` that clients may test for, the `stage` it belongs to (or None), whether another attempt
may help (`retryable`), and the HTTP `status` of its answer. The message is for people: it says what was wrong, and what
to do. `param` names the option, field or header that was wrong, if there is one. `detail` is for the operator only, for
example hosts and folders. `str(error)` contains it, for logs and the command line; clients never see it. `in_doubt`
says that the connection to the database was lost during a commit: the rows may have been written or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar


class Stage(StrEnum):
    """The step of a job in which an error happened."""

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
        """Return the error as a JSON object; every error has the same shape."""
        shape: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.stage is not None:
            shape["stage"] = self.stage.value
        if self.param is not None:
            shape["param"] = self.param
        return shape


class RequestError(DictographError):
    """The request cannot be fulfilled in this form."""

    code = "invalid_request"
    stage = Stage.VALIDATION
    status = 400


class InvalidRequest(RequestError):
    """The request does not have the documented form."""

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
    """The requested thing does not exist, or belongs to another owner."""

    code = "not_found"
    status = 404


class PathNotAllowed(RequestError):
    """The path is outside the allowed roots, or there is no such file; the answer is the same for both."""

    code = "path_not_allowed"


class UploadTooLarge(RequestError):
    """The upload is larger than the limit."""

    code = "upload_too_large"
    status = 413


class UploadIncomplete(RequestError):
    """The upload ended before it was complete."""

    code = "upload_incomplete"


class EmptyUpload(RequestError):
    """The uploaded file has no bytes."""

    code = "empty_upload"


class JobStateConflict(RequestError):
    """The job's state does not allow this."""

    code = "job_state_conflict"
    status = 409


class ResultOwed(JobStateConflict):
    """The job still owes its sender a result, which has not gone out yet."""

    code = "result_owed"


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
    """The caller must send a key that is valid now."""

    code = "unauthorized"
    status = 401


class ScopeMissing(RequestError):
    """The key is valid, but does not allow this."""

    code = "scope_missing"
    status = 403


class KeyNotUsable(RequestError):
    """The key is revoked, expired or replaced, so this cannot be done with it."""

    code = "key_not_usable"
    status = 409


class TooManyRequests(RequestError):
    """The caller has reached its limit of requests, of new jobs or of waiting jobs."""

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, *, retry_after: float = 1.0, param: str | None = None) -> None:
        """Say when to try again: `retry_after` in seconds."""
        super().__init__(message, param=param)
        self.retry_after = retry_after


class QueueFull(TooManyRequests):
    """So many jobs of all owners wait that the service accepts no more."""

    code = "queue_full"


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
    """The file was changed while Dictograph read it."""

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


class NoSuchTrack(DecodeError):
    """The file has no audio track of the number or language that was asked for."""

    code = "no_such_track"


class NoSuchChannel(DecodeError):
    """The audio has no channel of the number that was asked for."""

    code = "no_such_channel"


class TooManyChannels(DecodeError):
    """The file has more channels or tracks than can be transcribed side by side."""

    code = "too_many_channels"


class CorruptAudio(DecodeError):
    """The file claims a known format, but nothing in it can be decoded."""

    code = "corrupt_audio"


class AudioTooLong(DecodeError):
    """The audio is longer than the limit."""

    code = "audio_too_long"


class DecoderCrashed(DecodeError):
    """The decoder process died."""

    code = "decoder_crashed"
    retryable = True


class DecoderLost(DecoderCrashed):
    """The decoder process ended together with the fork server; the audio is not the cause."""


class DecoderTimeout(DecodeError):
    """The decoder process made no progress in time."""

    code = "decoder_timeout"
    retryable = True


class DecoderOutOfMemory(DecodeError):
    """The decoder process used more memory than it may."""

    code = "decoder_out_of_memory"
    retryable = True


class ListenerFailed(DecodeError):
    """The voice detector's process failed."""

    code = "vad_failed"
    retryable = True
    status = 500


class SandboxUnavailable(DecodeError):
    """The decoder process cannot be confined as `DICTOGRAPH_SANDBOX` demands."""

    code = "sandbox_unavailable"
    status = 500


class TranscribeError(DictographError):
    """The audio could not be transcribed."""

    code = "transcribe_failed"
    stage = Stage.TRANSCRIBE


class ModelUnavailable(TranscribeError):
    """The model's weights are not here and cannot be downloaded."""

    code = "model_unavailable"
    status = 503


class ModelOutOfReach(ModelUnavailable):
    """The model's weights are not here for a reason that may pass: Hugging Face does not answer, the disk is full."""

    retryable = True


class ModelTooLarge(TranscribeError):
    """The model needs more memory than all models together may use."""

    code = "model_too_large"
    status = 503


class UnsupportedByEngine(TranscribeError):
    """The engine cannot do what the request demands; it never does something else silently."""

    code = "unsupported_by_engine"
    status = 422


class EngineFailed(TranscribeError):
    """The engine reported an error for this window."""

    code = "engine_failed"
    retryable = True


class EngineCrashed(TranscribeError):
    """The engine process died while it transcribed a window of this job."""

    code = "engine_crashed"
    retryable = True


class EngineTimeout(TranscribeError):
    """The engine process did not answer in time."""

    code = "engine_timeout"
    retryable = True


class AttemptTimeout(TranscribeError):
    """An attempt took longer than the contract of the job allows."""

    code = "attempt_timeout"
    retryable = True


class EngineOutOfMemory(TranscribeError):
    """The engine process used more memory than it may, or than the machine has."""

    code = "engine_out_of_memory"
    retryable = True


class PublishError(DictographError):
    """A message could not be delivered."""

    code = "publish_failed"
    stage = Stage.PUBLISH


class LostWorker(DictographError):
    """The worker that ran the job died before the end."""

    code = "worker_lost"
    retryable = True


class UnexpectedError(DictographError):
    """A fault of Dictograph itself; another attempt may help."""

    retryable = True


class StorageFull(DictographError):
    """There is not enough space left on the disk."""

    code = "storage_full"
    retryable = True
    status = 507


class StorageUnavailable(DictographError):
    """The storage cannot be reached, or refuses the operation."""

    code = "storage_unavailable"
    retryable = True
    status = 503


class ScratchRemoved(StorageUnavailable):
    """The scratch folder was removed while a job ran; the job is not the cause."""


class StorageOutage(StorageUnavailable):
    """The server of the storage cannot be reached, or refuses; no job is the cause."""


class DatabaseUnavailable(DictographError):
    """The database cannot be reached, or refuses the operation."""

    code = "database_unavailable"
    retryable = True
    status = 503


class DatabaseMissing(DatabaseUnavailable):
    """The file of the database is not there; Dictograph does not create another one in its place."""

    code = "database_missing"


class DatabaseReplaced(DatabaseUnavailable):
    """Another file is in the place of the database that was opened; nothing is written to it."""

    code = "database_replaced"


class ServerBusy(DictographError):
    """Too many requests of this kind run at once; try again shortly."""

    code = "server_busy"
    retryable = True
    status = 503


class BrokerUnavailable(DictographError):
    """No broker can be reached, or it refuses what was asked of it; the message names its reason."""

    code = "broker_unavailable"
    retryable = True
    status = 503


class BackupFailed(DictographError):
    """A backup cannot be made or restored; nothing that existed before was changed."""

    code = "backup_failed"


class SettingsError(DictographError):
    """A setting is unknown or has a value that cannot be used."""

    code = "invalid_settings"


class LeaseLost(DictographError):
    """This worker no longer owns the job; nothing that it writes now counts."""

    code = "lease_lost"


def kinds(base: type[DictographError] = DictographError) -> Iterator[type[DictographError]]:
    """Yield a class and all its subclasses."""
    yield base
    for child in base.__subclasses__():
        yield from kinds(child)


def kind_of(code: str) -> type[DictographError]:
    """Return the first class with this code, else `DictographError`."""
    return next((kind for kind in kinds() if kind.code == code), DictographError)
