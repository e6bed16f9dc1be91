"""What the API shows of a URL."""

from __future__ import annotations

import pytest

from dictograph.api.views import without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@example.org/talk.mp3?signature=1#part", "https://example.org/talk.mp3"),
        ("s3://bucket/talk.mp3", "s3://bucket/talk.mp3"),
        ("http://[bad/talk.mp3?signature=1", "http://[bad/talk.mp3"),
        ("http://user:pass@[bad#part", "[bad"),
        ("", ""),
    ],
)
def test_no_secret_is_shown_whatever_an_older_system_took_for_a_url(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
