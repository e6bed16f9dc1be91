"""`dictograph keys`, and commands that show a key to a service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dictograph.cli.main import main
from tests.service import Service, eventually, service

SAMPLES = Path(__file__).parents[3] / "src" / "dictograph" / "samples"

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(str(end.value.code)), out, err

    return run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("service")) as one:
        yield one


def listed(cli: Cli, folder: Path) -> dict[str, dict[str, Any]]:
    code, out, _ = cli("keys", "list", "--json", "--data-dir", folder)
    assert code == 0
    return {key["id"]: key for key in json.loads(out)}


def test_a_key_is_shown_once_and_made_before_there_is_a_database(cli: Cli, data_dir: Path) -> None:
    code, out, err = cli(
        *("keys", "create", "--init", "--owner", "alice", "--name", "laptop", "--scope", "read", "--expires", "90d"),
        *("--rate", "600/minute", "--rate", "5/second", "--job-rate", "9/hour", "--data-dir", data_dir),
    )
    secret = out.strip()
    assert (code, len(secret), secret[:3]) == (0, 59, "dg_")
    assert "it is not shown again" in err
    assert secret not in err
    [key] = listed(cli, data_dir).values()
    assert key["id"] == secret.split("_")[1]
    assert (key["owner"], key["name"], key["scopes"], key["state"]) == ("alice", "laptop", ["read"], "good")
    assert (key["rate"], key["job_rate"]) == (["600/minute", "5/second"], ["9/hour"])
    _, out, _ = cli("keys", "list", "--data-dir", data_dir)
    assert "alice" in out
    assert secret[16:] not in out
    everything = b"".join(file.read_bytes() for file in data_dir.iterdir() if file.is_file())
    assert secret.encode()[16:] not in everything, "only its hash is stored"


def test_keys_are_revoked_and_rotated(cli: Cli, data_dir: Path) -> None:
    folder = ("--data-dir", data_dir)
    first, second = (json.loads(cli("keys", "create", "--init", "--json", *folder)[1]) for _ in range(2))
    code, out, err = cli("keys", "revoke", first["id"], "nobody", *folder)
    assert (code, out) == (1, f"{first['id']} revoked\n")
    assert err.endswith("\ndictograph: There is no key nobody.\n")
    third = json.loads(cli("keys", "rotate", second["id"], "--overlap", "1h", "--json", *folder)[1])
    assert third["key"] != second["key"]
    states = {id: key["state"] for id, key in listed(cli, data_dir).items()}
    assert states == {first["id"]: "revoked", second["id"]: "replaced", third["id"]: "good"}
    assert listed(cli, data_dir)[second["id"]]["replaced_by"] == third["id"]
    cli("keys", "rotate", third["id"], "--overlap", "0", *folder)
    assert listed(cli, data_dir)[third["id"]]["state"] == "expired"
    code, _, err = cli("keys", "rotate", first["id"], *folder)
    assert (code, f"\ndictograph: Key {first['id']} is revoked" in err) == (1, True)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--expires", "2020-01-01"],
        ["--expires", "soon"],
        ["--expires", "90"],
        ["--expires", "0.5"],
        ["--scope", "everything"],
        ["--rate", "often"],
        ["--rate", "0/minute"],
        ["--owner", ""],
        ["--name", "a\nb"],
        ["--webhook-url", "file:///etc/passwd"],
    ],
)
def test_a_key_that_cannot_be_is_refused(cli: Cli, data_dir: Path, wrong: list[str]) -> None:
    code, out, _ = cli("keys", "create", "--init", "--data-dir", data_dir, *wrong)
    assert (code, out) == (2, "")


def test_a_number_without_a_unit_is_asked_about_and_the_end_is_told_in_utc(cli: Cli, data_dir: Path) -> None:
    folder = ("--data-dir", data_dir)
    for wrong in (("create", "--expires", "90"), ("rotate", "x", "--overlap", "24"), ("rotate", "x", "--expires", "9")):
        code, _, err = cli("keys", *wrong, *folder)
        assert (code, "give 90d, 12h or 90s" in err) == (2, True)
    _, _, err = cli("keys", "create", "--init", "--expires", "2099-01-31T12:00:00+02:00", *folder)
    assert "until 2099-01-31 " in err
    assert abs(int(err.partition("2099-01-31 ")[2][:2]) - 10) <= 1, err
    assert " UTC" in err


def test_a_whole_key_names_itself_and_is_never_said(cli: Cli, data_dir: Path) -> None:
    folder = ("--data-dir", data_dir)
    secret = cli("keys", "create", "--init", *folder)[1].strip()
    code, out, err = cli("keys", "rotate", secret, *folder)
    assert (code, secret[16:] in err) == (0, False)
    code, told, err = cli("keys", "revoke", secret, out.strip(), *folder)
    assert (code, told) == (0, "".join(f"{key.split('_')[1]} revoked\n" for key in (secret, out)))
    assert secret[16:] not in err
    gone = secret.replace("dg_", "dg_0", 1)[:-1]
    for unknown in (gone, "dg_" + "0" * 12 + secret[15:], secret[16:], secret[3:]):
        for command in ("revoke", "rotate"):
            code, out, err = cli("keys", command, unknown, *folder)
            assert (code, secret[20:40] in out + err) == (1, False), err


def test_a_command_shows_its_key_from_a_file_or_the_environment(
    cli: Cli, server: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = json.loads(cli("keys", "create", "--owner", "alice", "--json", "--data-dir", server.data)[1])["key"]
    ask = ("jobs", "list", "--json", "--server", server.base)
    code, _, err = cli(*ask)
    assert (code, "DICTOGRAPH_KEY" in err, "--key-file" in err) == (1, True, True)
    with (SAMPLES / "hello.mp3").open("rb") as file:
        made = httpx.post(
            f"{server.base}/v1/transcriptions", files={"file": file}, headers={"authorization": f"Bearer {secret}"}
        ).json()
    kept = tmp_path / "key"
    kept.write_text(f"{secret}\n")
    assert [job["id"] for job in json.loads(cli(*ask, "--key-file", kept)[1])] == [made["id"]]
    monkeypatch.setenv("DICTOGRAPH_KEY", secret)
    assert [job["id"] for job in json.loads(cli(*ask)[1])] == [made["id"]]
    monkeypatch.setenv("DICTOGRAPH_KEY", "dg_nobody_x")
    code, _, err = cli(*ask)
    assert (code, "does not accept this key" in err, "Put it into" in err) == (1, True, False)
    monkeypatch.setenv("DICTOGRAPH_KEY", secret)
    code, out, _ = cli("jobs", "watch", made["id"], "--server", server.base)
    assert (code, out != "") == (0, True)
    kept.write_text("")
    assert cli(*ask, "--key-file", kept)[0] == 2
    assert secret not in cli("settings")[1]
    assert secret not in server.words_of_log()


def test_without_keys_no_other_address_is_listened_on(cli: Cli, tmp_path: Path) -> None:
    one = Service(tmp_path, listen="0.0.0.0:0", engine="digest")
    one.start()
    assert one.process is not None
    assert one.process.wait(30) == 3
    said = one.words_of_log()
    assert "0.0.0.0:0 can be reached from other machines, and there are no keys" in said
    assert ("stopping" in said, "engine" in said) == (False, False), "it had not begun"
    cli("keys", "create", "--data-dir", one.data)
    one.start()
    try:
        eventually(lambda: "listens on" in one.words_of_log(), what="it listens")
        assert "$DICTOGRAPH_KEY" in one.words_of_log()
        port = one.words_of_log().partition("http://0.0.0.0:")[2].split()[0]
        second = one.beside("second", listen=f"127.0.0.1:{port}", path_roots=tmp_path / "gone")
        second.start()
        assert second.process is not None
        assert second.process.wait(30) == 3
        said = second.words_of_log()
        assert f"Cannot listen on 127.0.0.1:{port}" in said
        assert ("--port" in said, "DICTOGRAPH_LISTEN" in said, "stopping" in said) == (True, True, False)
        assert "engine" not in said, "no worker was started"
        assert f"{tmp_path / 'gone'} (DICTOGRAPH_PATH_ROOTS) is not there" in said
    finally:
        one.stop()
