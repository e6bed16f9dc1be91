"""The parts of the OpenAPI document that FastAPI does not derive by itself."""

from __future__ import annotations

from typing import Any

from dictograph.api.views import ProblemView
from dictograph.formats import FORMATS
from dictograph.job import Options

Responses = dict[int | str, dict[str, Any]]

_SAID = {
    400: "The request is malformed, cut short, empty, or names a path that is not allowed.",
    401: "A key is needed, and there was none that is valid.",
    403: "The Host or Origin is not allowed, or the key is not for this.",
    404: "There is no such job.",
    405: "The address does not know the method.",
    406: "None of the formats is acceptable.",
    408: "The request stopped coming in the middle.",
    409: "The job's state does not allow it, or a request with this key is still being received.",
    413: "The body is too large.",
    415: "The body is of a kind that is not taken, or encoded.",
    422: "An option, parameter or field has a value that cannot be used.",
    429: "There were too many requests.",
    500: "A fault of the service.",
    503: "The database or the storage cannot be reached.",
    507: "The storage is full.",
}

_WEBHOOK = {
    "type": "string",
    "format": "uri",
    "maxLength": 4096,
    "description": "An http or https URL that is told the job's end, by the Standard Webhooks specification.",
}

_METADATA = "Your own data, kept with the job and given back: a JSON object of at most 16 KiB."


def problems(*statuses: int, public: bool = False) -> Responses:
    """Return an operation's error answers, with those that can always come. A public operation needs no key."""
    always = {403, 500, 503} if public else {400, 401, 403, 429, 500, 503}
    return {status: {"model": ProblemView, "description": _SAID[status]} for status in sorted({*statuses, *always})}


def creation_body() -> dict[str, Any]:
    """Return the two bodies of POST /v1/transcriptions."""
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": _form_schema(),
                    "encoding": {"metadata": {"contentType": "text/plain"}},
                },
                "application/json": {"schema": _json_schema(), "examples": _EXAMPLES},
            },
        }
    }


def transcript_content() -> dict[str, Any]:
    """Return the media types of a transcript."""
    texts = {kind.media_type: {"schema": {"type": "string"}} for kind in FORMATS.values()}
    return texts | {"application/json": {"schema": {"type": "object"}}}


def event_content() -> dict[str, Any]:
    """Return the schema of an event stream's records."""
    types = [
        "created", "started", "engine", "language", "plan", "warning", "segments", "restarted", "retrying", "released",
        "retried", "completed", "failed", "cancelled", "queue", "snapshot", "deleted",
    ]  # fmt: skip
    record = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "id": {"type": "string", "description": "The event's number; not there for what is not stored."},
            "event": {"type": "string", "enum": types},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
    }
    return {"text/event-stream": {"schema": record}}


_EXAMPLES = {
    "url": {"summary": "A URL", "value": {"url": "https://example.org/talk.mp3", "language": "en"}},
    "path": {"summary": "A file on the server", "value": {"path": "/data/talk.mp3", "metadata": {"case": 17}}},
}


def _option_schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = Options.model_json_schema()["properties"]
    return schemas


def _form_schema() -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "description": "The audio or video file."}
    metadata = {
        "type": "string",
        "contentMediaType": "application/json",
        "description": f"{_METADATA} As JSON text.",
        "examples": ['{"case": 17}'],
    }
    options = {name: _without_null(schema) for name, schema in _option_schemas().items()}
    return {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {"file": file, **options, "metadata": metadata, "webhook_url": _WEBHOOK},
    }


def _json_schema() -> dict[str, Any]:
    metadata = {"type": "object", "description": _METADATA}
    shared = {**_option_schemas(), "metadata": metadata, "webhook_url": _WEBHOOK}
    url = {"type": "string", "format": "uri", "maxLength": 4096, "description": "An http or https URL to fetch."}
    path = {"type": "string", "minLength": 1, "description": "A file of the server, beneath an allowed root."}
    return {
        "oneOf": [
            {"type": "object", "title": title, "required": [name], "additionalProperties": False,
             "properties": {name: schema, **shared}}
            for title, name, schema in (("By URL", "url", url), ("By path", "path", path))
        ]
    }  # fmt: skip


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an option in a form. There, null can only be given by leaving the option out, and a list
    only as a string."""
    if "anyOf" not in schema:
        return schema
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    kind = next(kind for kind in schema["anyOf"] if kind.get("type") != "null")
    return {**rest, **kind}
