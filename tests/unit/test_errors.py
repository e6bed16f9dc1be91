"""The tree of errors and what it promises to clients."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from dictograph import errors
from dictograph.errors import DictographError, FetchTimeout, LeaseLost, NotFound, Stage


def tree(base: type[DictographError] = DictographError) -> Iterator[type[DictographError]]:
    yield base
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.__name__)
def test_every_error_has_what_a_client_needs(kind: type[DictographError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert 400 <= kind.status < 600
    assert kind.__doc__
    assert kind.__doc__.strip().endswith(".")
    shape = kind("Say what to do.").as_dict()
    assert shape.pop("message") == "Say what to do."
    assert shape.pop("code") == kind.code
    assert shape.pop("stage", None) == kind.stage


def test_every_error_is_drawn_in_the_tree_and_none_else() -> None:
    drawn = set(re.findall(r"\b[A-Z][a-z]+[A-Za-z]*\b", errors.__doc__ or ""))
    assert {kind.__name__ for kind in tree()} <= drawn


def test_codes_name_one_error_each_but_for_what_a_client_need_not_tell_apart() -> None:
    codes: dict[str, list[str]] = {}
    for kind in tree():
        codes.setdefault(kind.code, []).append(kind.__name__)
    shared = {code: names for code, names in codes.items() if len(names) > 1}
    assert shared == {
        "internal_error": ["DictographError", "UnexpectedError"],
        "invalid_request": ["RequestError", "InvalidRequest"],
        "fetch_failed": ["FetchError", "FetchFailed"],
        "decoder_crashed": ["DecoderCrashed", "DecoderLost"],
        "model_unavailable": ["ModelUnavailable", "ModelOutOfReach"],
        "storage_unavailable": ["StorageUnavailable", "ScratchRemoved", "StorageOutage"],
    }


def test_shapes_of_some() -> None:
    assert FetchTimeout("late").as_dict() == {"code": "fetch_timeout", "message": "late", "stage": "DOWNLOAD"}
    assert FetchTimeout.retryable
    assert NotFound("x").status == 404
    assert not NotFound.retryable
    assert "stage" not in LeaseLost("x").as_dict()
    assert str(NotFound("There is no job 7.")) == "There is no job 7."
    assert [stage.value for stage in Stage] == ["VALIDATION", "DOWNLOAD", "DECODE", "TRANSCRIBE", "PUBLISH"]
