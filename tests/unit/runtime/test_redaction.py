"""Where things lie on this machine is nobody's business."""

from __future__ import annotations

import pytest

from dictograph.runtime.redaction import without_folders


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Unable to open file '/srv/my models/mine/model.bin'", "Unable to open file 'model.bin'"),
        ("The model /srv/models/mine cannot be loaded: x.", "The model mine cannot be loaded: x."),
        ("RuntimeError: /root/.cache/hub/blobs/abc: No space", "RuntimeError: abc: No space"),
        ("no model in /srv/models/mine/ (/var/lib/x)", "no model in mine (x)"),
        ('File "/usr/lib/python3/a.py", line 3', 'File "a.py", line 3'),
    ],
)
def test_of_a_path_its_last_name_is_left(text: str, shown: str) -> None:
    assert without_folders(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/a/b answered 404 Not Found",
        "the type audio/wav; 1/2 of it, HTTP/1.1",
        "GET http://127.0.0.1:8000/v1/transcriptions/x",
        "and/or, ~/x/y, s3://bucket/a/b, he said '/' and '/x'",
    ],
)
def test_what_is_no_path_stays(text: str) -> None:
    assert without_folders(text) == text


def test_the_path_that_a_client_named_stays() -> None:
    text = "/media/talks/a.wav is not there, nor is /srv/other/b.wav"
    assert without_folders(text, "/media/talks/a.wav") == "/media/talks/a.wav is not there, nor is b.wav"
