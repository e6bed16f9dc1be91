"""A full queue, as the contracts say it whose clients know no 429; the others are in tests/integration/api."""

from __future__ import annotations

import json
from unittest.mock import MagicMock

from dictograph.api.asr.errors import render as asr
from dictograph.api.backend.responses import answer as backend
from dictograph.api.paths.responses import render as paths
from dictograph.errors import QueueFull

FULL = QueueFull("Full.", retry_after=6.2)


def test_a_full_queue_is_503_with_json_where_nobody_knows_429() -> None:
    for render, body in ((paths, {"error": "Full."}), (asr, {"detail": "Full."})):
        answer = render(MagicMock(), FULL)
        assert (answer.status_code, answer.headers["retry-after"], json.loads(bytes(answer.body))) == (503, "7", body)


def test_the_backend_says_429() -> None:
    answer = backend(MagicMock(), FULL)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
