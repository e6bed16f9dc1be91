"""Code of our own in the decoder's place that steals what it can: it gets nothing, as root and as nobody."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import psutil
import pytest

from dictograph.audio.decoder_client import Decoded, DecodeLimits, decode
from dictograph.child.frames import Frame
from dictograph.child.process import Child, ChildSpec
from dictograph.child.sandbox import missing_layers, self_test
from dictograph.child.sandbox.policy import Layer, sealed
from dictograph.errors import AudioTooLong, DecoderCrashed, DecoderOutOfMemory, SandboxUnavailable
from tests.children.sandbox_escape import rob
from tests.media import decode_file, ffmpeg, make_tone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines a process further than by limits")

ROOT = Path(__file__).parents[3]
NOBODY = 65534

Attempts = list[list[str]]

#: What works inside, so that what is refused is not refused by an accident.
HARMLESS = {"samples {pcm}": "DONE: 2"}


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server on the loopback that gives its secret to whoever connects; nobody may."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"secret")

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def loot(tmp_path: Path) -> Path:
    """A folder of the service that everybody could read and write, with a database in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dictograph.db").write_text("the database's secret")
    for path in (folder, folder / "dictograph.db", *tmp_path.parents[:3], tmp_path):
        path.chmod(path.stat().st_mode | 0o777 if path in (folder, folder / "dictograph.db") else 0o755)
    return folder


def everything(loot: Path, port: int) -> Attempts:
    """All that a thief would do, but what ends it."""
    database = str(loot / "dictograph.db")
    return [
        ["connect", str(port)], ["send", "9"], ["listen", ""], ["unix", str(loot / "socket")], ["unix", "abstract"],
        ["read", "/etc/passwd"], ["read", database], ["read", "/proc/{parent}/environ"],
        ["read", "/proc/{parent}/mem"], ["read", "/proc/{parent}/maps"], ["read", "/proc/self/environ"],
        ["read", sys.executable], ["list", "/"], ["list", "."], ["list", str(loot)], ["list", "/proc/self/fd"],
        ["write", str(loot / "mark")], ["write", database], ["write", "mark"], ["delete", database],
        ["execute", "/bin/true"], ["spawn", "/bin/true"], ["fork", ""], ["kill", ""], ["ptrace", ""],
        ["descriptors", ""], ["root", ""], ["namespace", ""], ["lift", ""], ["executable", ""], ["shared", ""],
        ["burst", str(2**33)], ["threads", ""], ["reserve", "{pcm}"], ["samples", "{pcm}"],
    ]  # fmt: skip


def refused(came: dict[str, str]) -> bool:
    """Whether all was refused but what is harmless; if not, says what was done."""
    done = {attempt: what for attempt, what in came.items() if not what.startswith("refused")}
    assert done == HARMLESS
    return True


def as_nobody(folder: Path, layers: str, attempts: Attempts) -> dict[str, str]:
    """The same, by a service that runs as `nobody`."""
    if os.geteuid() != 0:
        pytest.skip("this is an unprivileged user already")
    command = [*_as_nobody(), "-m", "tests.children.sandbox_escape", str(folder), layers, json.dumps(attempts)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), sysconfig.get_path("platlib")])
    ran = subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": path, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    came: dict[str, str] = json.loads(ran.stdout)
    return came


def _as_nobody() -> Sequence[str]:
    """The command of a Python of this version that `nobody` can run; that of the tests may lie in root's home."""
    if (setpriv := shutil.which("setpriv")) is None:
        pytest.skip("setpriv is not installed")
    prefix = [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    version = "{}.{}".format(*sys.version_info)
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        # The first one is started with what is left of root's rights; those that it starts have none.
        again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
        if not subprocess.run([*prefix, python, "-c", again], cwd="/", capture_output=True, check=False).returncode:
            return [*prefix, python]
    pytest.skip(f"there is no Python {version} that nobody may run")


@pytest.mark.parametrize("forked", [True, False], ids=["forked", "executed"])
def test_a_thief_in_the_decoders_place_gets_nothing(tmp_path: Path, loot: Path, server: int, forked: bool) -> None:
    came = asyncio.run(rob(tmp_path, "auto", everything(loot, server), forked=forked))
    assert refused(came)
    assert [file.name for file in loot.iterdir()] == ["dictograph.db"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data", "pcm", "source"]


def test_nor_if_the_service_is_nobody(tmp_path: Path, loot: Path, server: int) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir(mode=0o777)
    os.chown(folder, NOBODY, NOBODY)
    assert refused(as_nobody(folder, "auto", everything(loot, server)))
    assert [file.name for file in loot.iterdir()] == ["dictograph.db"]


def test_it_is_not_root_and_knows_nothing_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the service")
    monkeypatch.setenv("LANG", "C.UTF-8")
    came = asyncio.run(rob(tmp_path, "auto", [["user", ""], ["environment", ""]]))
    if os.geteuid() == 0:
        assert came["user"] == f"DONE: {[NOBODY] * 4}"
    assert not {"SECRET", "LANG", "HOME", "PATH", "USER"} & set(json.loads(came["environment"][6:].replace("'", '"')))


@pytest.mark.parametrize("way", ["x32", "i386"])
def test_calls_in_another_way_end_the_process_and_the_job_hears_of_it(tmp_path: Path, way: str) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("only x86_64 has other ways to call")
    with pytest.raises(DecoderCrashed, match="SIGSYS"):
        asyncio.run(rob(tmp_path, "auto", [[way, ""]]))


#: What each layer refuses without the others. As nobody, `user` has nothing to give up.
ALONE: dict[Layer, list[str]] = {
    Layer.LIMITS: ["burst"],
    Layer.NETWORK: ["connect", "send"],
    Layer.FOLDER: ["read", "list data", "write data", "delete", "spawn"],
    Layer.USER: ["read parent", "ptrace", "descriptors", "root", "kill"],
    Layer.LANDLOCK: ["connect", "listen", "read", "list", "write", "delete", "execute", "spawn", "ptrace", "kill"],
    Layer.SECCOMP: [
        *("connect", "send", "listen", "unix", "read", "list", "write", "delete", "execute", "spawn", "fork", "kill"),
        *("ptrace", "descriptors", "root", "namespace", "lift", "executable", "shared", "threads", "reserve"),
    ],
}


@pytest.mark.parametrize("layer", ALONE)
@pytest.mark.parametrize("who", ["root", "nobody"])
def test_each_layer_holds_without_the_others(tmp_path: Path, loot: Path, server: int, layer: Layer, who: str) -> None:
    attempts = _of(ALONE[layer], everything(loot, server))
    if who == "root":
        came = asyncio.run(rob(tmp_path, layer, attempts))
    elif layer is Layer.USER:
        pytest.skip("nobody has no rights to give up")
    else:
        folder = tmp_path / "scratch"
        folder.mkdir(mode=0o777)
        os.chown(folder, NOBODY, NOBODY)
        came = as_nobody(folder, layer, attempts)
    assert len(came) == len(attempts)
    assert {attempt: what for attempt, what in came.items() if not what.startswith("refused")} == {}


def _of(wanted: Sequence[str], attempts: Attempts) -> Attempts:
    """Those attempts that a word names, or a word and a part of what it is done to."""
    pairs = [word.partition(" ")[::2] for word in wanted]
    return [
        [name, argument]
        for name, argument in attempts
        if any(name == word and part in argument for word, part in pairs)
    ]


def test_without_any_layer_the_thief_would_get_everything(tmp_path: Path, loot: Path, server: int) -> None:
    """What is refused above would be done, so it is the sandbox that refuses it."""
    wanted = ["connect", "read", "list", "write", "spawn", "fork", "executable", "shared", "threads", "reserve"]
    attempts = [one for one in _of(wanted, everything(loot, server)) if one[1] != "/proc/{parent}/mem"]
    came = asyncio.run(rob(tmp_path, Layer.LIMITS, attempts))
    assert {attempt: what for attempt, what in came.items() if not what.startswith("DONE")} == {}
    assert came[f"connect {server}"] == "DONE: 'secret'"
    assert came[f"read {loot / 'dictograph.db'}"] == 'DONE: "the database\'s secret"'


def test_doctor_finds_what_holds_by_trying() -> None:
    assert {layer: asyncio.run(self_test.why_not(layer)) for layer in Layer} == dict.fromkeys(Layer, "")


def test_required_decodes_nothing_where_a_layer_cannot_be_put_on(tmp_path: Path) -> None:
    """Here a process that has a second thread stands for a kernel without Landlock: both have the filter only."""
    source = make_tone(tmp_path / "a.wav", 1)
    module = "tests.children.threaded_decoder"
    with pytest.raises(SandboxUnavailable, match=r"landlock \(.*threads") as caught:
        decode_file(source, tmp_path, DecodeLimits(60, 2**28, 60, confined="required"), module=module)
    assert "seccomp" not in caught.value.message
    assert not caught.value.retryable
    for mode in ("auto", "off"):
        assert (
            decode_file(source, tmp_path, DecodeLimits(60, 2**28, 60, confined=mode), module=module)[1].size == 16_000
        )
    assert decode_file(source, tmp_path, DecodeLimits(60, 2**28, 60, confined="required"))[1].size == 16_000


def test_what_a_decoder_lacks_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also what only this decoder lacks, and no trial of the machine could find."""
    monkeypatch.setattr(missing_layers, "_tell", lru_cache(missing_layers._tell.__wrapped__))
    source = make_tone(tmp_path / "a.wav", 1)
    for _ in range(2):
        decode_file(source, tmp_path, DecodeLimits(60, 2**28, 60), module="tests.children.threaded_decoder")
    said = [record.getMessage() for record in caplog.records if "confined without" in record.getMessage()]
    assert len(said) == len(set(said)) == 4
    assert {line.partition("without ")[2].partition(":")[0] for line in said} == {
        *("network", "folder", "user", "landlock")
    }
    assert all("2 threads already" in line for line in said)


def test_a_burst_that_is_faster_than_the_watch_ends_as_out_of_memory(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("burst")
    with pytest.raises(DecoderOutOfMemory):
        decode_file(tmp_path / "source", tmp_path, DecodeLimits(60, 2**28, 60), module="tests.children.bad_decoder")


def test_the_kernel_ends_a_decoder_before_the_service() -> None:
    async def run() -> int:
        sandbox = sealed("auto", memory=2**28)
        child = await Child.start(ChildSpec("trial", "dictograph.child.sandbox.self_test_child", sandbox=sandbox))
        try:
            await child.call(Frame({}), timeout=60)
            return int(await asyncio.to_thread(Path(f"/proc/{child.pid}/oom_score_adj").read_text))
        finally:
            await child.kill()

    assert asyncio.run(run()) == 1000


def test_ten_hours_of_silence_are_decoded_in_flat_memory_or_refused(tmp_path: Path) -> None:
    """A FLAC file of less than a megabyte that holds 1.15 GB of samples: long frames decode faster than many."""
    file = tmp_path / "silence.flac"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=36000", "-frame_size", 65_535, file)
    assert file.stat().st_size < 10**6
    before = psutil.Process().memory_info().rss
    decoded = asyncio.run(_summary(file, tmp_path, DecodeLimits(40_000, 2**30, 60)))
    assert decoded.samples == 36_000 * 16_000
    assert int(decoded.codec) < 250 * 2**20
    assert psutil.Process().memory_info().rss < before + 32 * 2**20
    with pytest.raises(AudioTooLong):
        asyncio.run(_summary(file, tmp_path, DecodeLimits(3600, 2**30, 60)))


async def _summary(source: Path, folder: Path, limits: DecodeLimits) -> Decoded:
    async for step in decode(source, folder / "pcm", limits, module="tests.children.measured_decoder"):
        if isinstance(step, Decoded):
            return step
    raise AssertionError("it ended without a summary")
