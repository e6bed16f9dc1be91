"""Whatever a child does, its parent gets an answer or a named trouble, and no process is left."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from dictograph.child.frames import Frame
from dictograph.child.process import (
    Child,
    ChildCrashed,
    ChildFailed,
    ChildFailure,
    ChildOutOfMemory,
    ChildSpec,
    ChildTimeout,
)
from tests.service import eventually

ROOT = Path(__file__).parents[3]
PATIENCE_S = 30.0


def spec(behaviour: str = "well", memory_limit: int = 0, folder: Path | None = None) -> ChildSpec:
    return ChildSpec(
        "naughty",
        "tests.unit.child.misbehaving",
        (behaviour,),
        folder=folder,
        memory_limit=memory_limit,
        environment={"PYTHONPATH": str(ROOT), "GIVEN": "1"},
    )


def with_child(use: Callable[[Child], Awaitable[None]], how: ChildSpec | None = None) -> None:
    async def main() -> None:
        child = await Child.start(how or spec())
        try:
            await use(child)
        finally:
            await child.close()
        assert not child.alive
        assert gone(child.pid)

    asyncio.run(main())


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def request(what: str, body: bytes = b"", **more: object) -> Frame:
    return Frame({"do": what, **more}, body)


def test_a_request_is_answered_by_frames_with_their_bodies() -> None:
    async def use(child: Child) -> None:
        body = bytes(range(256)) * 5000
        frames = [f async for f in child.stream(request("echo", body, times=3), timeout=PATIENCE_S)]
        assert [f.header["number"] for f in frames] == [0, 1, 2]
        assert {f.body for f in frames} == {body}
        last = await child.call(request("echo", times=2), timeout=PATIENCE_S)
        assert last.header["number"] == 1
        assert (await child.call(request("echo", times=0), timeout=PATIENCE_S)).header == {}

    with_child(use)


def test_requests_made_at_once_take_turns() -> None:
    async def use(child: Child) -> None:
        bodies = [bytes([n]) * 100_000 for n in range(8)]
        answers = await asyncio.gather(*(child.call(request("echo", b), timeout=PATIENCE_S) for b in bodies))
        assert [answer.body for answer in answers] == bodies

    with_child(use)


def test_a_child_sees_few_variables_and_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICTOGRAPH_DATABASE_URL", "secret")

    async def use(child: Child) -> None:
        seen = (await child.call(request("echo"), timeout=PATIENCE_S)).header
        assert {"GIVEN", "ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"} <= set(seen["environment"])
        assert not [name for name in seen["environment"] if name.startswith("DICTOGRAPH")]
        assert seen["cwd"] == str(tmp_path)

    with_child(use, spec(folder=tmp_path))


def test_native_printing_breaks_no_frame() -> None:
    async def use(child: Child) -> None:
        assert (await child.call(request("print"), timeout=PATIENCE_S)).header["printed"]
        assert (await child.call(request("echo", b"x"), timeout=PATIENCE_S)).body == b"x"

    with_child(use)


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("refuse", "unsupported_format", "not audio"),
        ("raise", "failed", "ValueError: of the wrong kind"),
        ("measure", "failed", "ValueError: Out of range"),
    ],
)
def test_an_error_has_its_code_and_the_child_lives_on(what: str, code: str, words: str) -> None:
    async def use(child: Child) -> None:
        with pytest.raises(ChildFailed, match=words) as caught:
            await child.call(request(what), timeout=PATIENCE_S)
        assert caught.value.code == code
        assert (await child.call(request("echo", b"x"), timeout=PATIENCE_S)).body == b"x"

    with_child(use)


@pytest.mark.parametrize(
    ("what", "trouble", "words"),
    [
        ("crash", ChildCrashed, "SIGSEGV"),
        ("end", ChildCrashed, "exit code 3: the last words"),
        ("run out of memory", ChildOutOfMemory, "ran out of memory"),
        ("grow", ChildOutOfMemory, "outgrew its 128 MiB"),
    ],
)
def test_trouble_has_a_name_and_the_process_is_gone(what: str, trouble: type[ChildFailure], words: str) -> None:
    async def use(child: Child) -> None:
        with pytest.raises(trouble, match=words):
            await child.call(request(what), timeout=PATIENCE_S)
        assert gone(child.pid)
        assert not child.alive
        with pytest.raises(ChildFailure):
            await child.call(request("echo"), timeout=PATIENCE_S)

    with_child(use, spec(memory_limit=128 * 2**20))


def test_a_child_that_hangs_in_native_code_is_ended_in_time() -> None:
    async def use(child: Child) -> None:
        await child.call(request("echo"), timeout=PATIENCE_S)  # it has started, so that the time below is the hang's
        begun = time.monotonic()
        with pytest.raises(ChildTimeout, match="did not answer within"):
            await child.call(request("hang"), timeout=0.5)
        assert time.monotonic() - begun < 5
        assert gone(child.pid)

    with_child(use)


@pytest.mark.parametrize("behaviour", ["garbage", "no json", "no object", "half a frame"])
def test_a_broken_protocol_is_a_crash(behaviour: str) -> None:
    async def use(child: Child) -> None:
        with pytest.raises(ChildCrashed):
            await child.call(request("echo"), timeout=PATIENCE_S)
        assert gone(child.pid)

    with_child(use, spec(behaviour))


def test_a_caller_that_stops_listening_ends_the_child() -> None:
    async def use(child: Child) -> None:
        asking = asyncio.create_task(child.call(request("hang"), timeout=PATIENCE_S))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert gone(child.pid)

    with_child(use)


def test_a_module_that_does_not_exist_is_a_crash_with_its_reason() -> None:
    async def use(child: Child) -> None:
        with pytest.raises(ChildCrashed, match=r"exit code 1.*no_such_module"):
            await child.call(request("echo"), timeout=PATIENCE_S)

    with_child(use, ChildSpec("missing", "dictograph.no_such_module"))


PARENT = """
    import asyncio, json, sys
    from dictograph.child.frames import Frame
    from dictograph.child.process import Child, ChildSpec

    async def main():
        path = {"PYTHONPATH": sys.argv[1]}
        child = await Child.start(ChildSpec("naughty", "tests.unit.child.misbehaving", ("well",), environment=path))
        async for frame in child.stream(Frame({"do": sys.argv[2], "times": 1}), timeout=600):
            print(json.dumps(child.pid), flush=True)
        await asyncio.sleep(600)

    asyncio.run(main())
"""


@pytest.mark.parametrize("what", ["hang", "echo"])
def test_a_child_ends_within_two_seconds_of_its_parents_sigkill(what: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(ROOT), what]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = json.loads(parent.stdout.readline())
        assert not gone(child)
        parent.send_signal(signal.SIGKILL)
        begun = time.monotonic()
    while not gone(child):
        assert time.monotonic() - begun < 2
        time.sleep(0.01)


def test_a_child_can_stand_back() -> None:
    async def use(child: Child) -> None:
        child.lower_priority(5)
        assert psutil.Process(child.pid).nice() == 5
        await asyncio.to_thread(eventually, lambda: _nice_of_group(child.pid) in (5, None))

    with_child(use)


def test_a_child_stands_back_though_the_kernel_is_asked_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [errno.EAGAIN, errno.EAGAIN]
    write = Path.write_text

    def write_at_last(path: Path, text: str) -> int:
        if refusals:  # as from the kernel, which asks root to wait for nothing
            raise OSError(refusals.pop(), "Resource temporarily unavailable")
        return write(path, text)

    async def use(child: Child) -> None:
        child.lower_priority(5)
        await asyncio.to_thread(eventually, lambda: not refusals and _nice_of_group(child.pid) in (5, None))

    monkeypatch.setattr(Path, "write_text", write_at_last)
    with_child(use)


def _nice_of_group(pid: int) -> int | None:
    """Where the kernel groups by sessions, a nice value within one makes no difference outside."""
    group = Path(f"/proc/{pid}/autogroup")
    return int(group.read_text().split()[-1]) if group.exists() else None
