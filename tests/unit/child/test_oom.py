"""One that the kernel ended for want of memory is told from one that somebody killed."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from dictograph.child import oom
from dictograph.child.frames import Frame
from dictograph.child.process import Child, ChildCrashed, ChildFailure, ChildOutOfMemory
from tests.unit.child.test_process import PATIENCE_S, request, spec


@pytest.mark.parametrize(
    ("then", "after", "trouble", "words"),
    [
        ("oom_kill 3", "oom_kill 4", ChildOutOfMemory, "the kernel ended the naughty process"),
        ("oom_kill 3", "oom_kill 3", ChildCrashed, "was ended by SIGKILL"),
        ("", "", ChildCrashed, "was ended by SIGKILL"),
        (None, None, ChildCrashed, "was ended by SIGKILL"),
    ],
)
def test_it_is_told_by_the_kernels_own_count(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    then: str | None,
    after: str | None,
    trouble: type[ChildFailure],
    words: str,
) -> None:
    def count(text: str | None) -> None:
        if text is not None:
            (tmp_path / "vmstat").write_text(f"pgfault 12345\n{text}\ndrop_pagecache 0\n")

    async def test() -> None:
        count(then)
        child = await Child.start(spec())
        try:
            await child.call(request("echo"), timeout=PATIENCE_S)
            count(after)
            asyncio.get_running_loop().call_later(0.1, os.kill, child.pid, signal.SIGKILL)
            with pytest.raises(trouble, match=words):
                await child.call(Frame({"do": "sleep"}), timeout=PATIENCE_S)
        finally:
            await child.close()

    monkeypatch.setattr(oom, "_COUNTERS", tmp_path / "vmstat")
    asyncio.run(test())
