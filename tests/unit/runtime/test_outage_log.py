"""A loop that fails ten times a second fills no log."""

from __future__ import annotations

import logging

import pytest

from dictograph.runtime.outage_log import OutageLog


def test_an_outage_is_said_when_it_begins_now_and_then_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [100.0]
    trouble = OutageLog(logging.getLogger("test"), "relay", lambda: now[0])
    for _ in range(450):  # 45 s
        trouble.failed(OSError("no room"))
        now[0] += 0.1
    trouble.recovered()
    trouble.recovered()
    assert caplog.messages == ["relay: no room", "relay: no room", "relay: works again, after 45 s"]
    trouble.failed(OSError("no room"))
    assert caplog.messages[-1] == "relay: no room", "the next outage is told of at once"
