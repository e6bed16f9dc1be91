"""What a client asks for is checked before anything is stored."""

from __future__ import annotations

from typing import Any

import pytest

from dictograph.errors import InvalidOption, InvalidRequest
from dictograph.job import Options, Source, SourceKind
from dictograph.service.request import (
    JobRequest,
    Mark,
    check_metadata,
    check_options,
    check_url,
    dedup_key,
    fingerprint,
)

UPLOAD = Source(SourceKind.UPLOAD)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_text_is_taken_for_numbers_only_where_there_is_nothing_else() -> None:
    assert check_options({"beam_size": "3", "vad_filter": "false"}, strict=False).beam_size == 3
    with pytest.raises(InvalidOption) as refused:
        check_options({"beam_size": "3"}, strict=True)
    assert refused.value.param == "beam_size"


def test_an_unknown_option_names_those_there_are() -> None:
    with pytest.raises(InvalidOption, match="word_timestamps"):
        check_options({"words": True}, strict=True)


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        "x",
        None,
        {"a": float("nan")},
        {"a": "\ud800"},
        {"a\0": 1},
        {"a": ["\0"]},
        {"a": "x" * 16_384},
        nested(20_000),
        nested(17),
    ],
    ids=lambda metadata: repr(type(metadata)),
)
def test_metadata_that_cannot_be_kept_is_refused(metadata: object) -> None:
    with pytest.raises(InvalidRequest):
        check_metadata(metadata)


@pytest.mark.parametrize("metadata", [{}, {"ü": [1, 2.5, None, True, {"b": "\\u0000"}]}, nested(16)])
def test_metadata_is_kept_as_it_is(metadata: dict[str, Any]) -> None:
    assert check_metadata(metadata) == metadata


@pytest.mark.parametrize("url", ["http://a.org", "HTTPS://a.org:8443/x?y#z", "http://[::1]:80/x"])
def test_urls_that_could_be_fetched(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "a.org/x", "//a.org", "file:///etc/passwd", "http://", "http:///x", "http://a b/", "http://a.org/\n",
     "http://ä.org/", "http://u@a.org/", "http://u:p@a.org/", "http://a.org:x/", "http://[::1",
     "http://a.org/" + "x" * 4096],
)  # fmt: skip
def test_urls_that_could_not(url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_url(url)


def test_a_fingerprint_is_of_the_request_and_nothing_else() -> None:
    options = Options.model_validate({"beam_size": 2})
    same = fingerprint(JobRequest(options, {"a": 1, "b": 2}, key="x"), UPLOAD, "00")
    assert same == fingerprint(JobRequest(options, {"b": 2, "a": 1}, key="y"), UPLOAD, "00")
    others = {
        fingerprint(JobRequest(options, {"a": 1, "b": 2}), UPLOAD, "01"),
        fingerprint(JobRequest(options, {"a": 1}), UPLOAD, "00"),
        fingerprint(JobRequest(metadata={"a": 1, "b": 2}), UPLOAD, "00"),
        fingerprint(JobRequest(options, {"a": 1, "b": 2}), Source(SourceKind.URL, "http://a.org"), "00"),
    }
    assert len(others | {same}) == 5
    assert len({mark.now for mark in others | {same}}) == 5


class LaterOptions(Options):
    """Those of a version that has one more."""

    voices: str = "mix"


def test_an_option_that_comes_with_an_upgrade_changes_no_request_that_does_not_use_it() -> None:
    def marks(options: Options) -> tuple[Mark, Mark]:
        order = JobRequest(options, {"case": 1}, webhook_url="https://example.org/hook")
        return fingerprint(order, UPLOAD, "00"), dedup_key(order, "00", ("auto", ""))

    before = marks(Options(beam_size=2))
    assert marks(LaterOptions(beam_size=2)) == before
    for old, new in zip(before, marks(LaterOptions(beam_size=2, voices="split")), strict=True):
        assert new.now != old.now


def test_a_request_is_known_by_the_digest_that_earlier_versions_stored() -> None:
    """The figure is what version 0.1 stored."""
    order = JobRequest(Options(language="en"), {"case": 1})
    stored = "d60ebe357e1b4d9f2656d8b56f851870e5b2a6e283090c69835dc7c28b27b757"
    assert fingerprint(order, UPLOAD, "00").is_of(stored)
    assert fingerprint(JobRequest(LaterOptions(language="en"), {"case": 1}), UPLOAD, "00").is_of(stored)
    assert not fingerprint(JobRequest(Options(language="de"), {"case": 1}), UPLOAD, "00").is_of(stored)
