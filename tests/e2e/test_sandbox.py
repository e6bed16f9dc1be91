"""The sandbox around a whole service: its jobs are done inside of it, and a bomb does not hurt it."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from tests.audio_files import write_noise
from tests.media import ffmpeg
from tests.service import service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines a process further than by limits")

#: What a service may grow by while it has a file of ten hours refused, in bytes.
GROWTH = 32 * 2**20


def test_a_service_that_demands_its_sandbox_works_and_a_bomb_does_not_hurt_it(tmp_path: Path) -> None:
    silence = tmp_path / "silence.flac"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=36000", "-frame_size", 65_535, silence)
    with service(tmp_path, sandbox="required", max_audio="10m") as one:
        assert one.wait_for(one.submit(write_noise(tmp_path / "a.wav", 3, seed=1)))["status"] == "completed"
        assert one.process is not None
        process = psutil.Process(one.process.pid)
        before = process.memory_info().rss
        failed = one.wait_for(one.submit(silence))
        assert (failed["status"], failed["error"]["code"]) == ("failed", "audio_too_long")
        assert process.memory_info().rss < before + GROWTH
        assert one.get("/health").status_code == 200
        assert "confined without" not in one.words_of_log()
        assert not list((one.data / "scratch").glob("*/*/decoder-*"))


def test_a_service_whose_sandbox_is_off_says_so(tmp_path: Path) -> None:
    with service(tmp_path, sandbox="off") as one:
        assert one.wait_for(one.submit(write_noise(tmp_path / "a.wav", 3, seed=1)))["status"] == "completed"
        assert "DICTOGRAPH_SANDBOX is off" in one.words_of_log()
