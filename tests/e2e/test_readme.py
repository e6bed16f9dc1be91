"""Every command that the README shows is run, in order, and says what the README says it does.

The README's shell is one bash in a folder that looks like a checkout (`src` and `.venv` lead to the
real ones); its service is one of the tests', on a free port, with the engine that the README names.
In what is shown `…` stands for anything on its line, and a line of `…` for any number of lines.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.needs import need
from tests.service import ROOT, Service, service

README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"

_BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
_MARK = "=-=-= step"
_SHELL_S = 120


@dataclass(frozen=True)
class Step:
    """A command, or a Python program, with its line in the README and what it is shown to print."""

    line: int
    command: str
    shown: str | None
    python: bool = False
    not_run: str = ""


def steps() -> list[Step]:
    found: list[Step] = []
    for block in _BLOCK.finditer(README):
        line, text = README.count("\n", 0, block.start("text")) + 1, block["text"]
        reason = block["reason"] or ""
        match block["language"]:
            case "bash":
                found.append(Step(line, text, None, not_run=reason))
            case "console":
                found += _console(line, text, reason)
            case "python":
                found.append(Step(line, text, None, python=True, not_run=reason))
            case "text":  # what the program before it prints
                program = found.pop()
                assert program.python, f"line {line}: nothing before this prints anything"
                found.append(Step(program.line, program.command, text, python=True, not_run=program.not_run))
    return found


def _console(line: int, text: str, reason: str) -> Iterator[Step]:
    assert text.startswith("$ "), f"line {line}: a console begins with a command"
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        at = line + text[: text.index(f"$ {command}")].count("\n")
        yield Step(at, command, shown, not_run=reason)


STEPS = steps()
RUN = [step for step in STEPS if not step.not_run]


def matches(shown: str, printed: str) -> bool:
    """Whether this is what is shown."""
    lines = [r"(?:.*\n)*?" if line == "…" else _pattern(line) for line in shown.strip().splitlines()]
    text = printed.strip()
    return re.fullmatch("".join(lines), text and f"{text}\n") is not None


def _pattern(line: str) -> str:
    return ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ ]*\n"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service that stands for `make serve`."""
    with service(tmp_path_factory.mktemp("service"), engine="sphinx", extra_engines="") as up:
        yield up.wait_until_ready()


@pytest.fixture(scope="module")
def printed(one: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[int, str]]:
    """What each step printed, with its exit code, by its line in the README."""
    need("curl")
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "src").symlink_to(ROOT / "src")
    (folder / ".venv").symlink_to(sys.prefix)
    script = "\n".join(_as_shell(step, folder) for step in RUN).replace(ADDRESS, one.base)
    output = _shell(script, folder).replace(one.base, ADDRESS)
    parts = re.split(rf"^{_MARK} (\d+) (\d+)\n", output, flags=re.MULTILINE)
    return {
        int(line): (int(code), text) for text, line, code in zip(parts[::3], parts[1::3], parts[2::3], strict=False)
    }


def _as_shell(step: Step, folder: Path) -> str:
    command = step.command
    if step.python:
        program = folder / f"line_{step.line}.py"
        program.write_text(command, encoding="utf-8")
        command = f".venv/bin/python {shlex.quote(program.name)}"
    return f"{{ {command.rstrip()}\n}} 2>&1\nprintf '\\n{_MARK} %d %d\\n' {step.line} $?"


def _shell(script: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DICTOGRAPH_", "PYTHON"))}
    environment |= {"HOME": str(folder), "DICTOGRAPH_DATA_DIR": str(folder / "data"), "COLUMNS": "120"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=_SHELL_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("step", RUN, ids=lambda step: f"line {step.line}")
def test_the_command_does_what_is_shown(step: Step, printed: dict[int, tuple[int, str]]) -> None:
    code, text = printed[step.line]
    assert code == 0, text
    if step.shown is not None:
        assert matches(step.shown, text), f"this was printed:\n{text}"


def test_the_service_greets_as_is_shown(one: Service) -> None:
    [serve] = [step for step in STEPS if step.command == "DICTOGRAPH_ENGINE=sphinx make serve"]
    assert serve.shown is not None
    assert matches(serve.shown, one.words_of_log().replace(one.base, ADDRESS)), one.words_of_log()


def test_only_what_cannot_be_run_is_not_run() -> None:
    commands = [step.command.split() for step in STEPS if step.not_run]
    assert [words for words in commands if words[:2] != ["git", "clone"] and words[-2:] != ["make", "serve"]] == []


def test_every_target_of_make_that_is_named_is_one() -> None:
    named = set(re.findall(r"`make ([a-z-]+)", " ".join(README.split())))
    help = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"serve", "demo", "test"} <= named
    assert named - {"help"} <= set(re.findall(r"^  make ([a-z-]+)", help.stdout, re.MULTILINE))


def test_what_is_shown_must_be_what_is_printed() -> None:
    def shows(*lines: str) -> str:
        return "\n".join(lines)

    assert matches(shows("a … c", "…", "z"), "a b c\nx\ny\nz\n")
    assert matches(shows("a", "…", "z"), "a\nz\n")
    assert not matches(shows("a … c"), "a b d\n")
    assert not matches(shows("a"), "a\nb\n")
    assert not matches(shows("a", "b"), "a\n")
    assert matches("", "\n")
    assert not matches("", "a\n")


def test_the_readme_is_read_whole() -> None:
    """No block of code is overlooked for its form."""
    fences: Sequence[str] = re.findall(r"^```(\w+)$", README, re.MULTILINE)
    assert set(fences) <= {"bash", "console", "python", "text", "mermaid"}
    assert len(fences) == len(list(_BLOCK.finditer(README)))
    assert len(RUN) >= 6
