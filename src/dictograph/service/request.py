"""A client's request: options, metadata, a URL, a key. Each is checked before anything is stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from dictograph.contract import Contract, JobLimits
from dictograph.errors import InvalidOption, InvalidRequest
from dictograph.job import LOCAL_OWNER, Options, Source

_METADATA_BYTES = 16 * 1024
_METADATA_DEPTH = 16
_URL_LENGTH = 4096
_KEY_LENGTH = 255

#: Earlier versions put all of these options into the digest, also those at their default.
_ONCE_WHOLE = (
    "engine", "model", "language", "task", "prompt", "hotwords", "beam_size", "temperature", "word_timestamps",
    "vad_filter", "vad_threshold", "vad_min_silence_duration_ms", "vad_min_speech_duration_ms", "vad_speech_pad_ms",
)  # fmt: skip

#: The defaults that earlier versions had, where they have changed.
_ONCE_DEFAULT = {"vad_min_speech_duration_ms": 100}


@dataclass(frozen=True, slots=True)
class JobRequest:
    """How to transcribe the audio, for audio from any source.

    Args:
        owner: the owner of the job.
        key: the Idempotency-Key.
        contract: the contract through which the request came; `limits` are that contract's limits.
        key_id: the id of the request's API key.
        webhook_url: the receiver of the end of the job, in place of the key's receiver.
        joins: whether this request gets the job of an equal request of the same owner that runs or has just ended.
    """

    options: Options = field(default_factory=lambda: Options.model_validate({}))
    metadata: dict[str, Any] = field(default_factory=dict)
    owner: str = LOCAL_OWNER
    key: str | None = None
    contract: Contract = Contract.NATIVE
    limits: JobLimits = field(default_factory=JobLimits)
    description: str | None = None
    key_id: str | None = None
    webhook_url: str | None = None
    joins: bool = False


def check_options(given: Mapping[str, Any], *, strict: bool) -> Options:
    """Return the options of a request. `strict` refuses numbers and booleans that are given as text.

    Raises:
        InvalidOption: an option is unknown or has a bad value; the error names the first one.
    """
    try:
        options = Options.model_validate(dict(given), strict=strict)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "options"
        if first["type"] == "extra_forbidden":
            message = f"There is no option {name!r}. The options are {', '.join(Options.model_fields)}."
        else:
            message = f"The option {name} cannot be {_shown(first['input'])}: {_as_clause(first['msg'])}."
        raise InvalidOption(message, param=name) from error
    for name, value in options.model_dump().items():
        if isinstance(value, str) and "\0" in value:
            raise InvalidOption(f"The option {name} must not contain the character NUL.", param=name)
    return options


def check_metadata(given: object) -> dict[str, Any]:
    """Return the client's own data: a JSON object that is kept with the job and returned with it.

    Raises:
        InvalidRequest: it is no object, it is too large or nested too deeply, or a value in it cannot be stored.
    """
    if not isinstance(given, dict):
        raise InvalidRequest("`metadata` must be a JSON object.", param="metadata")
    if _depth(given) > _METADATA_DEPTH:
        raise InvalidRequest(f"`metadata` must not be nested deeper than {_METADATA_DEPTH}.", param="metadata")
    try:
        text = json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise InvalidRequest("`metadata` has text or numbers that JSON cannot carry.", param="metadata") from error
    if len(text) > _METADATA_BYTES:
        raise InvalidRequest(f"`metadata` must not be larger than {_METADATA_BYTES} bytes.", param="metadata")
    if _has_nul(given):
        raise InvalidRequest("`metadata` must not contain the character NUL.", param="metadata")
    return given


def check_url(url: str, param: str = "url") -> str:
    """Return the URL if its form allows to fetch it. Whether its address is allowed is checked when it is fetched.

    Raises:
        InvalidRequest: it is not http or https, names no host, or carries a user and password.
    """
    if len(url) > _URL_LENGTH:
        raise InvalidRequest(f"`{param}` must not be longer than {_URL_LENGTH} characters.", param=param)
    if not url.isascii() or any(sign <= " " or sign == "\x7f" for sign in url):
        raise InvalidRequest(
            f"`{param}` must be written in ASCII without spaces; encode other characters.", param=param
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest(f"`{param}` is not a URL.", param=param) from error
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise InvalidRequest(f"`{param}` must be an absolute http or https URL.", param=param)
    if "@" in parts.netloc:
        raise InvalidRequest(f"`{param}` must not carry a user name or password.", param=param)
    return url


def check_key(key: str | None) -> str | None:
    """Return the Idempotency-Key.

    Raises:
        InvalidRequest: it is empty, too long, or not plain printable ASCII.
    """
    if key is not None and not (0 < len(key) <= _KEY_LENGTH and key.isascii() and key.isprintable()):
        raise InvalidRequest(
            f"Idempotency-Key must be 1 to {_KEY_LENGTH} printable ASCII characters.", param="Idempotency-Key"
        )
    return key


@dataclass(frozen=True, slots=True)
class Mark:
    """The digest of a request; equal requests have equal digests. `before` is the digest that earlier versions made:
    so a request that is sent again after an upgrade is still recognised."""

    now: str
    before: str

    def is_of(self, stored: str) -> bool:
        """Return whether a stored digest is that of this request."""
        return stored in (self.now, self.before)


def fingerprint(order: JobRequest, source: Source, sha256: str = "") -> Mark:
    """Return the digest by which a repeated request is recognised: of the source, an upload's bytes, options and
    metadata."""
    receiver = [] if order.webhook_url is None else [order.webhook_url]
    return _mark(order.options, [str(source.kind), source.location, sha256], [order.metadata, *receiver])


def dedup_key(order: JobRequest, sha256: str, defaults: Sequence[str]) -> Mark:
    """Return the digest by which two requests become one job: of the owner, contract, upload's bytes, options,
    metadata, and of the default engine and model, which are used where the options name none."""
    whose = ["join", order.owner, order.contract.value, sha256]
    return _mark(order.options, whose, [order.metadata, *defaults])


def _mark(options: Options, before: Sequence[Any], after: Sequence[Any]) -> Mark:
    """Return the digest of a request. Options at their default are left out: so a new option in a later version changes
    nothing for requests that do not use it."""
    asked, whole = options.asked(), options.normalised()
    every = {name: whole[name] if name in asked else _ONCE_DEFAULT.get(name, whole[name]) for name in _ONCE_WHOLE}
    return Mark(*(_digest([*before, shape, *after]) for shape in (asked, every)))


def _digest(parts: Sequence[Any]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _depth(value: object) -> int:
    """Return how deep a JSON value is nested. Counting stops above the limit, so no nesting can exhaust the stack."""
    level, depth = [value], 0
    while level and depth <= _METADATA_DEPTH:
        depth += 1
        level = [inner for outer in level for inner in _within(outer)]
    return depth


def _has_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any("\0" in key for key in value) or any(map(_has_nul, value.values()))
    return any(map(_has_nul, value)) if isinstance(value, list) else isinstance(value, str) and "\0" in value


def _within(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "…"


def _as_clause(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")
