"""The frame of the command line: help, exit codes, one line for every error."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import click
import pytest

from dictograph import __version__
from dictograph.cli import settings
from dictograph.cli.main import FAILED, INTERRUPTED, NOT_SET_UP, USAGE, cli, exit_code, main
from dictograph.errors import (
    DictographError,
    InvalidOption,
    JobStateConflict,
    ModelNotAllowed,
    ModelUnavailable,
    NotFound,
    SettingsError,
)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = list(commands(cli))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, out, err


def test_every_promised_command_is_there() -> None:
    assert {" ".join(path) for path, _ in COMMANDS} >= {
        *("transcribe", "serve", "api", "worker", "doctor", "settings", "db upgrade", "db current"),
        *(f"jobs {name}" for name in ("list", "show", "watch", "cancel", "retry", "delete")),
        *(f"dead {name}" for name in ("list", "show", "replay")),
        *(f"models {name}" for name in ("list", "pull", "verify")),
    }


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_command_and_option_is_explained(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, *path, "--help")
    assert code == 0
    assert "Usage: dictograph " + " ".join(path) in out
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in ("format",):
            assert parameter.help, parameter.name


def test_the_overview_says_what_the_commands_say() -> None:
    for name, entry in cli.entries.items():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.help is not None
        assert command.help.splitlines()[0] == entry.summary


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    heavy = ("pydantic", "sqlalchemy", "httpx", "fastapi", "av", "numpy", "onnxruntime", "ctranslate2", "rich")
    script = (
        "import sys\nfrom dictograph.cli.main import main\ntry:\n main(['--help'])\nexcept SystemExit:\n pass\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert time.monotonic() - begun < 5  # a tenth of a second where nothing else runs


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"dictograph, version {__version__}\n", "")


@pytest.mark.parametrize("wrong", [("nope",), ("--nope",), ("jobs", "show"), ("settings", "--nope")], ids=" ".join)
def test_a_wrong_command_line_is_usage(wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *wrong)
    assert (code, out) == (USAGE, "")
    assert "Usage: dictograph" in err


def test_a_wrong_setting_is_one_line_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICTOGRAPH_LEASE", "soon")
    code, out, err = run(capsys, "settings")
    assert (code, out) == (NOT_SET_UP, "")
    assert err.startswith("dictograph: DICTOGRAPH_LEASE (from environment) cannot be 'soon'")
    assert err.count("\n") == 1


def test_ctrl_c_has_its_own_code(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(settings, "explained", interrupted)
    code, out, err = run(capsys, "settings")
    assert (code, out, err.strip()) == (INTERRUPTED, "", "dictograph: interrupted")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x"), NOT_SET_UP),
        (ModelUnavailable("x"), NOT_SET_UP),
        (InvalidOption("x"), USAGE),
        (ModelNotAllowed("x"), USAGE),
        (NotFound("x"), FAILED),
        (JobStateConflict("x"), FAILED),
        (DictographError("x"), FAILED),
    ],
)
def test_exit_codes(error: DictographError, code: int) -> None:
    assert exit_code(error) == code
