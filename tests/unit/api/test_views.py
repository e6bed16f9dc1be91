"""What the API shows of a URL."""

from __future__ import annotations

import pytest

from dictograph.api.views import ready_view, without_secrets
from dictograph.service.status import Readiness


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


def test_reasons_and_warnings_tell_clients_no_folder_of_the_machine() -> None:
    reason = "/srv/models/own is no folder of a converted Whisper model"
    model = {
        "id": "own",
        "engine": "whisper",
        "default": True,
        "state": "unavailable",
        "progress": None,
        "reason": reason,
        "languages": None,
    }
    shown = ready_view(Readiness(False, f"model: {reason}", (model,), ("the storage /srv/audio/blobs has no marker",)))
    assert shown.models[0].reason == "own is no folder of a converted Whisper model"
    assert (shown.reason, shown.warnings) == (
        "model: own is no folder of a converted Whisper model",
        ["the storage blobs has no marker"],
    )
