"""A child ends when it has to, whatever is in its pipes and whenever its parent goes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from dictograph.child.frames import Frame
from dictograph.child.process import Child, ChildCrashed, ChildSpec

ROOT = Path(__file__).parents[3]


def spec() -> ChildSpec:
    module = "tests.unit.child.misbehaving"
    return ChildSpec("naughty", module, ("well",), environment={"PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize("what", ["flood", "leave"])
def test_one_whose_pipes_do_not_end_is_ended(what: str) -> None:
    """Nobody reads on what it wrote, or a process of its own holds them open."""

    async def test() -> None:
        child = await Child.start(spec())
        answers = child.stream(Frame({"do": what}), timeout=60)
        for _ in range(1 if what == "leave" else 100):
            await anext(answers)
        await asyncio.sleep(0.2)  # nobody reads on meanwhile: the buffers fill
        async with asyncio.timeout(5):
            await answers.aclose()
        assert not child.alive

    begun = time.monotonic()
    asyncio.run(test())
    assert time.monotonic() - begun < 10


def test_one_that_cannot_be_started_is_a_crash(tmp_path: Path) -> None:
    async def test() -> None:
        with pytest.raises(ChildCrashed, match=r"cannot be started .*No such file"):
            await Child.start(ChildSpec("nowhere", "json", folder=tmp_path / "missing"))

    asyncio.run(test())


def test_which_devices_are_ours_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")

    async def test() -> list[str]:
        child = await Child.start(spec())
        answer = await child.call(Frame({"do": "echo"}), timeout=60)
        await child.close()
        return list(answer.header["environment"])

    assert "CUDA_VISIBLE_DEVICES" in asyncio.run(test())


SHORT_LIVED = """
    import asyncio, json, os, signal, sys
    from dictograph.child.frames import Frame
    from dictograph.child.process import Child, ChildSpec

    async def main():
        path = {"PYTHONPATH": sys.argv[1]}
        child = await Child.start(ChildSpec("naughty", "tests.unit.child.misbehaving", ("well",), environment=path))
        print(json.dumps(child.pid), flush=True)
        asyncio.create_task(child.call(Frame({"do": "sleep"}), timeout=600))
        await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())
"""


def test_one_whose_parent_dies_before_it_has_looked_around_ends_too() -> None:
    """It has a request in its pipe by then, and no parent from the start."""
    command = [sys.executable, "-c", textwrap.dedent(SHORT_LIVED), str(ROOT)]
    child = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)
    begun = time.monotonic()
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() - begun < 5
        time.sleep(0.01)
