"""The fields of a call to the audio API, and their meaning here. Fields that the API does not have are ignored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dictograph.api.openai.errors import UnsupportedValue
from dictograph.api.openai.response_formats import RESPONSE_FORMATS, ResponseFormat
from dictograph.errors import InvalidOption, RequestError
from dictograph.formats.subtitle_rules import AskedRules, SubtitleRules, read_rules
from dictograph.languages import is_to_be_found, language_code, languages_in

Task = Literal["transcribe", "translate"]
Values = Mapping[str, Sequence[str]]

#: The names of OpenAI's own models: any of them means the configured one.
_OPENAI_MODEL = re.compile(r"whisper-1|gpt-[a-z0-9.-]*transcribe[a-z0-9.-]*")

#: Whisper uses the end of a prompt, at most 223 tokens. They have no more characters than this.
_PROMPT_LENGTH = 2000

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_STRATEGY = "chunking_strategy"
_VAD = {
    "threshold": "vad_threshold",
    "prefix_padding_ms": "vad_speech_pad_ms",
    "silence_duration_ms": "vad_min_silence_duration_ms",
}

#: The field that gave an option.
FIELD_OF = {"hotwords": "keywords[]", **dict.fromkeys(_VAD.values(), _STRATEGY)}


@dataclass(frozen=True, slots=True)
class AudioRequest:
    """The request of a call. `model` is None when it names none, and "" for the configured model. `rules` are those
    of subtitles, where the call names any."""

    model: str | None = None
    response_format: str = "json"
    words: bool = False
    stream: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    rules: SubtitleRules | None = None

    @property
    def format(self) -> ResponseFormat:
        return RESPONSE_FORMATS[self.response_format]


def is_openai_model(name: str) -> bool:
    """Tell whether a name is one of OpenAI's own models."""
    return _OPENAI_MODEL.fullmatch(name) is not None


def read_fields(values: Values, task: Task) -> AudioRequest:
    """Return the request of the fields. An empty field counts as one that was left out.

    Raises:
        RequestError: naming the first field with a bad value, or with a value that is not supported here.
    """
    fields = {name: given[-1] for name, given in values.items() if given[-1] != ""}
    _check_supported(fields, values)
    response_format = _response_format(fields)
    words = "word" in _granularities(values, response_format)
    stream = _boolean(fields, "stream") and response_format in ("json", "text")
    options: dict[str, Any] = {"task": task, "word_timestamps": words}
    if task == "transcribe":
        options |= _language(fields, values)
    if "temperature" in fields:
        options["temperature"] = fields["temperature"]
    if "prompt" in fields:
        options["prompt"] = fields["prompt"][-_PROMPT_LENGTH:]
    if keywords := _list(values, "keywords"):
        options["hotwords"] = " ".join(keywords)
    options |= _strategy(fields)
    return AudioRequest(_model(fields), response_format, words, stream, options, _rules(fields, response_format))


def _rules(fields: Mapping[str, str], response_format: str) -> SubtitleRules | None:
    if RESPONSE_FORMATS[response_format].by_rule is None:
        return None
    try:
        return read_rules({name: fields[name] for name in AskedRules.model_fields if name in fields})
    except InvalidOption as error:
        raise RequestError(error.message, param=error.param) from error


def _model(fields: Mapping[str, str]) -> str | None:
    name = fields.get("model")
    return "" if name is not None and is_openai_model(name) else name


def _check_supported(fields: Mapping[str, str], values: Values) -> None:
    if fields.get("response_format") == "diarized_json":
        raise UnsupportedValue(
            "`response_format` cannot be `diarized_json`: this service does not tell speakers apart.",
            param="response_format",
        )
    if _list(values, "include"):
        raise UnsupportedValue("`include[]` cannot be had: no log probabilities of tokens are kept.", param="include[]")
    for name in ("known_speaker_names", "known_speaker_references"):
        if _list(values, name):
            raise UnsupportedValue(
                f"`{name}[]` cannot be used: this service does not tell speakers apart.", param=f"{name}[]"
            )


def _response_format(fields: Mapping[str, str]) -> str:
    given = fields.get("response_format", "json")
    if given not in RESPONSE_FORMATS:
        raise RequestError(
            f"`response_format` cannot be {given[:50]!r}. Choose one of: {', '.join(RESPONSE_FORMATS)}.",
            param="response_format",
        )
    return given


def _granularities(values: Values, response_format: str) -> Sequence[str]:
    name = "timestamp_granularities"
    given = _list(values, name)
    for one in given:
        if one not in ("word", "segment"):
            raise RequestError(
                f"`{name}[]` cannot be {one[:50]!r}. Choose `word`, `segment` or both.", param=f"{name}[]"
            )
    if given and response_format != "verbose_json":
        raise RequestError(
            f"`response_format` must be `verbose_json` if `{name}[]` is provided.", param="response_format"
        )
    return given


def _language(fields: Mapping[str, str], values: Values) -> dict[str, Any]:
    """Return the language, or several of which the most probable one is taken; nothing where it is to be found."""
    named = [fields["language"]] if "language" in fields else _list(values, "languages")
    given = [one for part in named for one in part.split(",")]
    for one in given:
        if language_code(one) is None and not is_to_be_found(one):
            raise RequestError(
                f"Invalid language {one[:50]!r}. Give its code in ISO 639-1, as `en`, or its English name.",
                param="language" if "language" in fields else "languages[]",
            )
    language = languages_in(given)
    return {} if language is None else {"language": language}


def _strategy(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that detect silence: given as `auto`, a JSON object, or one field for each of its members."""
    text = fields.get(_STRATEGY)
    members = {name: fields[key] for name in ("type", *_VAD) if (key := f"{_STRATEGY}[{name}]") in fields}
    if text == "auto" or (text is None and not members):
        return {}
    given: Any = members if text is None else _parsed(text)
    if not isinstance(given, dict) or given.get("type") not in ("server_vad", "auto"):
        raise RequestError(f"`{_STRATEGY}` must be `auto` or an object with the type `server_vad`.", param=_STRATEGY)
    return {option: given[name] for name, option in _VAD.items() if given.get(name) is not None}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _boolean(fields: Mapping[str, str], name: str) -> bool:
    given = fields.get(name, "false")
    if given.lower() not in _BOOLEANS:
        raise RequestError(f"`{name}` cannot be {given[:50]!r}; give `true` or `false`.", param=name)
    return _BOOLEANS[given.lower()]


def _list(values: Values, name: str) -> list[str]:
    """Return the values of a list. Clients write its name with brackets behind it."""
    return [value for key in (f"{name}[]", name) for value in values.get(key, ()) if value != ""]
