"""Children that are forked are children like the others: what they get, how they end, and who goes with whom."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from dictograph.child.fork_server_client import ForkServerClient, can_fork
from dictograph.child.frames import Frame
from dictograph.child.process import (
    Child,
    ChildCrashed,
    ChildFailed,
    ChildLost,
    ChildOutOfMemory,
    ChildSpec,
    ChildTimeout,
)
from tests.service import eventually

pytestmark = pytest.mark.skipif(not can_fork(), reason="this system has no pidfd_open(2)")

ROOT = Path(__file__).parents[3]
MODULE = "tests.unit.child.misbehaving"


class _Remembered(ForkServerClient):
    """With the children that `started` made of them: their pipes and tasks have to go before the loop does."""

    def __init__(self, module: str, variables: Mapping[str, str]) -> None:
        super().__init__(module, variables)
        self.made: list[Child] = []


def run(test: Callable[[_Remembered], Awaitable[None]], module: str = MODULE) -> None:
    async def all_of_it() -> None:
        fork_server = _Remembered(module, {"PYTHONPATH": str(ROOT)})
        try:
            await test(fork_server)
        finally:
            await fork_server.close()
            for child in fork_server.made:
                await child.kill()
        assert not _servers()

    asyncio.run(all_of_it())


def _servers(parent: int | None = None) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(parent).children():
        with contextlib.suppress(psutil.Error):  # somebody else's, that is just ending
            if "dictograph.child.fork_server" in child.cmdline():
                found.append(child)
    return found


def _server(fork_server: ForkServerClient) -> psutil.Process:
    """Also one that has only just been started, and does not show its command line yet."""
    assert fork_server._server is not None
    return psutil.Process(fork_server._server._process.pid)


async def started(fork_server: _Remembered, **more: Any) -> Child:
    child = await Child.start(ChildSpec("naughty", MODULE, **more), fork_server)
    fork_server.made.append(child)
    return child


async def look(child: Child) -> dict[str, Any]:
    return (await child.call(Frame({"do": "look", "descriptors": child.descriptors}), timeout=60)).header


def test_it_has_what_it_was_given_and_nothing_else(tmp_path: Path) -> None:
    """The environment, the folder, the descriptors; nothing of the server, nor of a neighbour."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)

    async def test(fork_server: _Remembered) -> None:
        neighbour = await started(fork_server)
        files = [os.open(tmp_path / name, os.O_RDONLY) for name in ("one", "two")]
        child = await started(fork_server, folder=tmp_path, environment={"OWN": "yes"}, pass_fds=files)
        for file in files:
            os.close(file)
        seen = await look(child)
        assert seen["read"] == ["one", "two"]
        assert seen["variables"]["OWN"] == "yes"
        assert seen["variables"]["PARENT_PROCESS"] == str(os.getpid())
        assert "OWN" not in (await look(neighbour))["variables"]
        assert seen["session"] == seen["pid"] == child.pid
        assert [one for one in seen["opened"] if not one.startswith("pipe:")] == [
            "/dev/null",  # in place of what native code might read
            *(str(tmp_path / name) for name in ("one", "two")),
        ]
        assert len(seen["opened"]) == 3 + len(("requests", "answers"))
        echo = await child.call(Frame({"do": "echo"}, b"sound"), timeout=60)
        assert (echo.header["cwd"], echo.body) == (str(tmp_path), b"sound")

    run(test)


@pytest.mark.parametrize(
    ("what", "trouble", "words"),
    [
        ("end", ChildCrashed, "exit code 3: the last words"),
        ("crash", ChildCrashed, "ended by SIGSEGV"),
        ("hang", ChildTimeout, "did not answer within"),
        ("refuse", ChildFailed, "not audio"),
        ("grow", ChildOutOfMemory, "outgrew its 200 MiB"),
    ],
)
def test_it_ends_as_any_child_does(what: str, trouble: type[Exception], words: str) -> None:
    async def test(fork_server: _Remembered) -> None:
        child = await started(fork_server, memory_limit=200 * 2**20)
        with pytest.raises(trouble, match=words):
            async for _ in child.stream(Frame({"do": what}), timeout=1 if what == "hang" else 60):
                pass
        assert child.alive == (what == "refuse")
        await child.close()
        assert not child.alive
        again = await started(fork_server)
        assert (await look(again))["pid"] == again.pid

    run(test)


def test_many_at_once_do_not_get_in_each_others_way() -> None:
    async def test(fork_server: _Remembered) -> None:
        children = await asyncio.gather(*(started(fork_server, environment={"OWN": str(n)}) for n in range(12)))
        seen = await asyncio.gather(*(look(child) for child in children))
        assert [one["variables"]["OWN"] for one in seen] == [str(n) for n in range(12)]
        await asyncio.gather(*(child.kill() for child in children))
        assert not psutil.Process().children(recursive=True)[1:]
        assert len(_servers()) == 1

    run(test)


def test_a_server_that_is_killed_takes_its_children_with_it_and_another_one_comes() -> None:
    async def test(fork_server: _Remembered) -> None:
        child = await started(fork_server)
        asking = asyncio.create_task(child.call(Frame({"do": "sleep"}), timeout=600))
        await asyncio.sleep(0)
        _server(fork_server).kill()
        with pytest.raises(ChildLost, match="went with the server"):
            await asking
        another = await started(fork_server)
        assert (await look(another))["pid"] == another.pid

    run(test)


def test_a_server_that_was_stopped_holds_up_nobody_and_ends_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had made works on and ends as it should; the next comes from another server."""

    async def test(fork_server: _Remembered) -> None:
        neighbour, ending, lost = await started(fork_server), await started(fork_server), await started(fork_server)
        stopped = _server(fork_server)
        stopped.suspend()
        async with asyncio.timeout(60):
            another = await started(fork_server)
            assert psutil.Process(another.pid).ppid() != stopped.pid
            assert (await look(neighbour))["pid"] == neighbour.pid
            assert (await look(another))["pid"] == another.pid
            await ending.close()
            with pytest.raises(ChildLost):
                await lost.call(Frame({"do": "crash"}), timeout=50)  # nobody can tell how it ended
            stopped.resume()
            assert (await look(neighbour))["pid"] == neighbour.pid

    monkeypatch.setattr("dictograph.child.fork_server_client._ANSWER_S", 0.5)
    run(test)


def test_where_no_server_answers_a_child_has_a_python_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(fork_server: _Remembered) -> None:
        monkeypatch.setattr("dictograph.child.fork_server_client._FIRST_ANSWER_S", 0.0)
        child = await started(fork_server, arguments=("nothing of note",))
        assert psutil.Process(child.pid).ppid() == os.getpid()
        assert (await look(child))["pid"] == child.pid

    run(test)


def test_a_module_that_cannot_be_imported_is_said() -> None:
    async def test(fork_server: _Remembered) -> None:
        for _ in range(2):
            with pytest.raises(ChildCrashed, match=r"No module named 'tests\.no_such_module'"):
                await started(fork_server)

    run(test, "tests.no_such_module")


def test_a_folder_that_is_gone_ends_that_child_and_no_other(tmp_path: Path) -> None:
    async def test(fork_server: _Remembered) -> None:
        child = await started(fork_server, folder=tmp_path / "missing")
        with pytest.raises(ChildCrashed, match="No such file"):
            await look(child)
        assert (await look(await started(fork_server)))["read"] == []

    run(test)


def test_one_that_nobody_waits_for_any_more_is_ended() -> None:
    async def test(fork_server: _Remembered) -> None:
        await fork_server.start()
        server = _server(fork_server)
        server.suspend()
        starting = [asyncio.create_task(started(fork_server)) for _ in range(3)]
        await asyncio.sleep(0.1)  # their requests are in the socket
        for one in starting:
            one.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        server.resume()
        kept = await started(fork_server)
        await asyncio.to_thread(eventually, lambda: [child.pid for child in server.children()] == [kept.pid])
        await kept.kill()

    run(test)


KILLED = """
    import asyncio, json, os, signal, sys
    from dictograph.child.fork_server_client import ForkServerClient
    from dictograph.child.frames import Frame
    from dictograph.child.process import Child, ChildSpec

    async def main():
        forks = ForkServerClient(sys.argv[1], {"PYTHONPATH": sys.argv[2]})
        child = await Child.start(ChildSpec("naughty", sys.argv[1]), forks)
        print(json.dumps([child.pid, forks._server._process.pid]), flush=True)
        asyncio.create_task(child.call(Frame({"do": sys.argv[3]}), timeout=600))
        await asyncio.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())
"""


@pytest.mark.parametrize("what", ["sleep", "hang"])
def test_server_and_children_go_with_a_parent_that_is_killed(what: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLED), MODULE, str(ROOT), what]
    ran = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert ran.returncode == -signal.SIGKILL
    left: Sequence[int] = json.loads(ran.stdout)
    eventually(lambda: not [pid for pid in left if _runs(pid)])


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_nothing_is_imported_from_the_folder_that_the_service_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who can write there has no business in an unconfined process."""
    (tmp_path / "struct.py").write_text("raise ImportError('I was here')")
    monkeypatch.chdir(tmp_path)

    async def test(fork_server: _Remembered) -> None:
        assert (await look(await started(fork_server)))["read"] == []

    run(test)


def test_one_that_is_closed_makes_no_more() -> None:
    async def test(fork_server: _Remembered) -> None:
        await fork_server.start()
        _server(fork_server).suspend()
        starting = asyncio.create_task(started(fork_server))
        await asyncio.sleep(0.1)
        await fork_server.close()
        with pytest.raises(ChildCrashed, match="the fork server is closed"):
            await starting

    run(test)


def test_a_server_whose_child_crashed_makes_no_more() -> None:
    """The next one has its libraries elsewhere; children that work go on meanwhile."""

    async def test(fork_server: _Remembered) -> None:
        neighbour, crashing = await started(fork_server), await started(fork_server)
        first = _server(fork_server)
        with pytest.raises(ChildCrashed, match="SIGSEGV"):
            async for _ in crashing.stream(Frame({"do": "crash"}), timeout=60):
                pass
        after = await started(fork_server)
        assert psutil.Process(after.pid).ppid() != first.pid
        assert (await look(neighbour))["pid"] == neighbour.pid
        await neighbour.kill()
        await asyncio.to_thread(eventually, lambda: not first.children())
        await started(fork_server)
        assert first.pid not in [server.pid for server in _servers()]

    run(test)


def test_where_no_descriptor_is_left_only_that_child_fails() -> None:
    """And that at once: its neighbour works on, and so does the next."""

    async def test(fork_server: _Remembered) -> None:
        neighbour = await started(fork_server)
        server = _server(fork_server)
        server.suspend()
        starting = asyncio.create_task(started(fork_server))
        await asyncio.sleep(0.2)  # its request is in the socket
        with _no_descriptor_left():
            os.kill(server.pid, signal.SIGCONT)
            with pytest.raises(ChildCrashed, match="Too many open files"):
                async with asyncio.timeout(30):
                    await starting
        assert (await look(neighbour))["pid"] == neighbour.pid
        assert (await look(await started(fork_server)))["read"] == []
        assert len(_servers()) == 1

    run(test)


@contextlib.contextmanager
def _no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in taken:
            os.close(one)
