"""Signals, to programs that were started as a person starts them: in a script with `&`, by `nohup`, by `timeout`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.audio_files import write_noise
from tests.files import files_below
from tests.processes import no_signal_ignored
from tests.service import ROOT, Service, eventually

COUNT = ROOT / "src" / "dictograph" / "samples" / "count.wav"
TERM, HUP, INT = signal.SIGTERM, signal.SIGHUP, signal.SIGINT

#: How long a program may take until it is at work, on a machine that has much else to do (s).
START_S = 200

#: Runs its arguments in the background and says the process's number, then its exit code.
IN_BACKGROUND = "{} >out 2>err & echo $!; wait $!; echo $?"


class Script:
    """Shell scripts that run `dictograph` in the background."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        program = folder / "bin" / "dictograph"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dictograph "$@"\n')
        program.chmod(0o755)
        path = f"{program.parent}:{os.environ['PATH']}"
        self.environment = {
            **os.environ,
            "PATH": path,
            "TMPDIR": str(self.temporary),
            "DICTOGRAPH_ENGINE": "sphinx",
            "DICTOGRAPH_DATA_DIR": str(folder / "data"),
            "DICTOGRAPH_LISTEN": "127.0.0.1:0",
            "DICTOGRAPH_SHUTDOWN_GRACE": "2s",
        }

    @contextmanager
    def running(self, command: str) -> Iterator[Command]:
        """The command in the background of a script; it is at work, as far as that can be seen."""
        with subprocess.Popen(
            ["sh", "-c", IN_BACKGROUND.format(command)],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            preexec_fn=no_signal_ignored,
        ) as shell:  # fmt: skip
            assert shell.stdout is not None
            command_ = Command(shell, psutil.Process(int(shell.stdout.readline())))
            try:
                yield command_
            finally:
                command_.kill()

    def at_work(self) -> bool:
        """Whether something was decoded."""
        return any(path.suffix == ".pcm" and path.stat().st_size for path in files_below(self.temporary))

    def said(self) -> str:
        return (self.folder / "err").read_text()

    def text(self) -> str:
        out = self.folder / "out"
        return out.read_text() if out.exists() else ""


class Command:
    """A command of a script."""

    def __init__(self, shell: subprocess.Popen[str], process: psutil.Process) -> None:
        self._shell = shell
        self.process = process
        self._family: list[psutil.Process] = []

    def send(self, number: signal.Signals) -> None:
        self._family = self.process.children(recursive=True)
        self.process.send_signal(number)

    def exit_code(self) -> int:
        """The exit code of the command, once it and all its children have ended."""
        out, _ = self._shell.communicate(timeout=60)
        _, alive = psutil.wait_procs(self._family, timeout=5)
        assert alive == []
        return int(out)

    def kill(self) -> None:
        if self.process.is_running():
            self.process.kill()


def ignored(process: psutil.Process) -> set[signal.Signals]:
    """The signals that a process ignores: proc(5), `SigIgn`."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    [mask] = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn")]
    return {number for number in (TERM, HUP, INT) if mask & 1 << (number - 1)}


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """An hour of noise."""
    return write_noise(tmp_path / "long.wav", 3600, 1)


@pytest.mark.parametrize("number", [TERM, HUP])
def test_a_transcription_in_the_background_ends_when_it_is_told_to(
    script: Script, long: Path, number: signal.Signals
) -> None:
    with script.running(f"dictograph transcribe --no-vad {long}") as command:
        eventually(script.at_work, START_S)
        assert ignored(command.process) == {INT}, "a shell has it ignored in the background: Ctrl-C is for the script"
        command.send(number)
        assert (command.exit_code(), script.said().strip()) == (130, "dictograph: interrupted")
    assert list(script.temporary.iterdir()) == []


def test_under_nohup_a_transcription_survives_the_terminal(script: Script) -> None:
    with script.running(f"nohup dictograph transcribe {COUNT}") as command:
        eventually(lambda: command.process.children(), START_S)
        assert HUP in ignored(command.process)
        command.send(HUP)
        assert command.exit_code() == 0
    assert script.text() == "one two three four five six seven eight\n"


def test_under_nohup_a_transcription_ends_by_sigterm(script: Script, long: Path) -> None:
    with script.running(f"nohup dictograph transcribe --no-vad {long}") as command:
        eventually(script.at_work, START_S)
        command.send(TERM)
        assert command.exit_code() == 130
    assert list(script.temporary.iterdir()) == []


def test_a_limit_of_time_leaves_nothing(script: Script, long: Path) -> None:
    """`timeout` sends each signal twice, to its child and to its group; also one that it was sent itself."""
    with script.running(f"timeout 300 dictograph transcribe --no-vad {long}") as command:
        eventually(script.at_work, START_S)
        command.send(TERM)
        assert command.exit_code() == 130
    assert list(script.temporary.iterdir()) == []


def test_a_transcription_that_waits_for_standard_input_ends_when_it_is_told_to(script: Script) -> None:
    os.mkfifo(script.folder / "fifo")
    # It is open for writing, too: nothing comes, and no end.
    with script.running("dictograph transcribe - <>fifo") as command:
        eventually(lambda: command.process.children(), START_S)
        command.send(TERM)
        assert command.exit_code() == 130
    assert list(script.temporary.iterdir()) == []


def test_a_service_that_is_hung_up_gives_its_jobs_back(script: Script, long: Path) -> None:
    """Its exit code is that of a failure: who hangs up a service wants it to come again, with the settings of now."""
    one = Service(script.folder)
    with script.running("dictograph serve") as command:
        eventually(lambda: "Dictograph listens on" in script.text(), START_S)
        one.base = script.text().partition("Dictograph listens on ")[2].split()[0]
        job = one.submit(long, vad_filter="false")
        eventually(lambda: one.job(job)["status"] == "processing", START_S)
        command.send(HUP)
        assert command.exit_code() == 128 + HUP
    assert one.rows("SELECT status, failures, lease_token FROM transcription_job") == [("pending", 0, None)]
    assert list((one.data / "processes").iterdir()) == []


def test_under_nohup_a_service_survives_the_terminal(script: Script) -> None:
    with script.running("nohup dictograph serve") as command:
        eventually(lambda: "Dictograph listens on" in script.text(), START_S)
        assert HUP in ignored(command.process)
        command.send(HUP)
        command.send(TERM)
        assert command.exit_code() == 0
    assert "Traceback" not in script.said()


@pytest.mark.parametrize("later", ["transcribe", "serve"])
def test_what_a_killed_transcription_left_is_removed_by_a_later_run(script: Script, long: Path, later: str) -> None:
    with script.running(f"dictograph transcribe --no-vad {long}") as command:
        eventually(script.at_work, START_S)
        [left] = script.temporary.glob("dictograph-*")
        command.send(signal.SIGKILL)
        assert command.exit_code() == 128 + signal.SIGKILL
    assert left.exists()
    with script.running(f"dictograph transcribe {COUNT}" if later == "transcribe" else "dictograph serve") as command:
        eventually(lambda: not left.exists(), START_S)
