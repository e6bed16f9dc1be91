"""`dictograph transcribe` and `dictograph doctor` as a person runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.processes import no_signal_ignored
from tests.service import TINY, eventually

SAMPLES = Path(__file__).parents[2] / "src" / "dictograph" / "samples"
HELLO, COUNT = str(SAMPLES / "hello.mp3"), str(SAMPLES / "count.wav")
EIGHT = "one two three four five six seven eight"


class Shell:
    """Runs the command in a folder of its own, and sees what it leaves in its temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()

    def start(
        self, *arguments: str, stdin: int | None = subprocess.DEVNULL, **settings: str
    ) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "TMPDIR": str(self.temporary),
            "HOME": str(self.folder),
            "DICTOGRAPH_ENGINE": "sphinx",
            **settings,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "dictograph", *arguments],
            cwd=self.folder, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=no_signal_ignored,
        )  # fmt: skip

    def run(self, *arguments: str, given: bytes = b"", **settings: str) -> tuple[int, str, str]:
        with self.start(*arguments, stdin=subprocess.PIPE, **settings) as process:
            out, err = process.communicate(given, timeout=120)
        assert b"Traceback" not in err, err.decode()
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_text_goes_to_stdout_and_nothing_is_left(shell: Shell) -> None:
    assert shell.run("transcribe", COUNT) == (0, EIGHT + "\n", "")
    assert list(shell.temporary.iterdir()) == []


def test_standard_input_gives_subtitles(shell: Shell) -> None:
    code, out, _ = shell.run("transcribe", "-", "--format", "srt", given=Path(COUNT).read_bytes())
    assert code == 0
    assert out.startswith("1\n00:00:00,")
    assert EIGHT in out


def test_lyrics_have_the_times_of_the_words_which_were_not_asked_for(shell: Shell) -> None:
    _, words, _ = shell.run("transcribe", COUNT, "--format", "json", "--words")
    starts = [word["start"] for segment in json.loads(words)["segments"] for word in segment["words"]]
    code, out, _ = shell.run("transcribe", COUNT, "--format", "elrc")
    found = [60 * int(minutes) + float(seconds) for minutes, seconds in re.findall(r"<(\d\d):([\d.]+)>\w", out)]
    assert (code, found) == (0, [int(100 * start) / 100 for start in starts])


def test_several_files_at_once_and_one_that_fails(shell: Shell) -> None:
    (shell.folder / "no.mp3").write_bytes(b"this is no audio" * 100)
    code, out, err = shell.run("transcribe", COUNT, "no.mp3", "gone.mp3", HELLO)
    assert code == 1
    first, second = out.removeprefix("==> ").split("==> ")
    assert first == f"{COUNT} <==\n{EIGHT}\n"
    assert second.startswith(f"{HELLO} <==\nhello this is a short test")
    gone, no_audio = sorted(err.splitlines())
    assert no_audio.startswith("dictograph: no.mp3: ")
    assert gone == "dictograph: gone.mp3: It cannot be read: No such file or directory."
    code, out, err = shell.run("transcribe", str(SAMPLES), "--format", "json,txt", "--words", "--output", "texts")
    assert (code, out) == (0, "")
    names = [f"{Path(name).stem}.{format}" for name in (COUNT, HELLO) for format in ("json", "txt")]
    assert {*names} <= {path.name for path in (shell.folder / "texts").iterdir()}
    assert f"{COUNT} → texts/count.json, texts/count.txt (en, 0:03," in err
    document = json.loads((shell.folder / "texts" / "count.json").read_text())
    assert [word["word"] for segment in document["segments"] for word in segment["words"]] == EIGHT.split()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("transcribe",), 2, "Missing argument"),
        (("transcribe", COUNT, "--format", "docx"), 2, "docx"),
        (("transcribe", COUNT, "--language", "Klingon"), 2, "language"),
        (("transcribe", COUNT, HELLO, "--format", "srt"), 2, "--output"),
        (("transcribe", COUNT, "--engine", "parrot"), 3, "parrot"),
        (("transcribe", COUNT, "--language", "de"), 1, "sphinx"),
        (("transcribe", COUNT, "--task", "translate"), 1, "sphinx"),
        (("transcribe", COUNT, "--engine", "whisper", "--model", "/nowhere/model"), 3, "/nowhere/model"),
        (("transcribe", "http://127.0.0.1:9/x.mp3"), 1, "DICTOGRAPH_FETCH_ALLOW"),
    ],
)
def test_what_cannot_be_is_said_with_its_exit_code(
    shell: Shell, arguments: tuple[str, ...], code: int, words: str
) -> None:
    got, out, err = shell.run(*arguments)
    assert (got, out) == (code, "")
    assert words in err
    assert list(shell.temporary.iterdir()) == []


def test_an_interrupted_run_has_written_what_was_finished_and_the_next_goes_on_from_there(shell: Shell) -> None:
    """A pipe that nobody fills is never read to its end."""
    os.mkfifo(shell.folder / "waits.wav")
    with shell.start("transcribe", "waits.wav", COUNT, "--output", "texts/") as process:
        text = shell.folder / "texts" / "count.txt"
        eventually(text.exists, what="the finished file")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert [path.name for path in text.parent.iterdir()] == ["count.txt"]
    assert text.read_text() == EIGHT + "\n"
    text.write_text("mine")
    code, _, err = shell.run("transcribe", COUNT, HELLO, "--output", "texts", "--skip-existing")
    assert (code, text.read_text()) == (0, "mine")
    assert "skipped" in err
    assert sorted(path.name for path in text.parent.iterdir()) == ["count.txt", "hello.txt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_and_nobody(shell: Shell, number: signal.Signals) -> None:
    with shell.start("transcribe", *[HELLO] * 20) as process:
        eventually(lambda: len(psutil.Process(process.pid).children()) >= 2, what="children at work")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.decode().split() == ["dictograph:", "interrupted"]
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert list(shell.temporary.iterdir()) == []


def test_the_doctor_finds_a_healthy_machine_healthy(shell: Shell) -> None:
    code, out, err = shell.run("doctor", DICTOGRAPH_DATA_DIR=str(shell.folder / "data"))
    verdicts = {line.split()[1]: line.split()[0] for line in out.splitlines() if not line.startswith(" ")}
    verdicts.pop("disk")
    verdicts.pop("addresses")
    assert set(verdicts.values()) == {"ok"}, out
    assert set(verdicts) == {
        "settings",
        "libraries",
        "database",
        *("sharing", "processes", "privacy", "owner", "waiting", "kafka", "redis"),
        "clock",
        "storage",
        "scratch",
        *("paths", "access", "prompts"),
        *("limits", "network", "folder", "user", "landlock", "seccomp"),
        "decoding",
        "model",
        "inference",
    }
    assert "sphinx en-us transcribes" in out
    assert (code, err) == (0, "")
    assert not (shell.folder / "data").exists()


def test_the_doctor_says_how_the_engine_is_sized(shell: Shell) -> None:
    own: dict[str, Any] = {"DICTOGRAPH_ENGINE_THREADS": "1", "DICTOGRAPH_BATCH_SIZE": "3", "DICTOGRAPH_DEVICE": "cpu"}
    where: dict[str, Any] = {"DICTOGRAPH_DATA_DIR": str(shell.folder / "data"), "DICTOGRAPH_ENGINE": "whisper"}
    _, out, _ = shell.run("doctor", DICTOGRAPH_MODEL=str(TINY), DICTOGRAPH_ENGINE_MEMORY="1.5GiB", **where, **own)
    sized = "int8 on cpu, threads: 1, decoders side by side: 1, windows at once: 3; memory at most: 1.5 GiB"
    assert sized in out


def test_the_doctor_says_what_is_wrong_and_what_to_do(shell: Shell) -> None:
    (shell.folder / "data").write_text("a file is in the way")
    settings: dict[str, Any] = {"DICTOGRAPH_DATA_DIR": str(shell.folder / "data"), "DICTOGRAPH_ENGINE": "whisper"}
    code, out, _ = shell.run("doctor", "--json", DICTOGRAPH_MODEL=str(shell.folder), **settings)
    findings = {finding["subject"]: finding for finding in json.loads(out)}
    assert code == 1
    assert {subject for subject, finding in findings.items() if finding["verdict"] == "fail"} == {
        *("database", "processes", "storage", "scratch", "inference")
    }
    assert findings["model"]["verdict"] == "warn"
    code, out, _ = shell.run("doctor", DICTOGRAPH_LEASE="soon")
    assert (code, out.splitlines()[0][:4]) == (1, "fail")
