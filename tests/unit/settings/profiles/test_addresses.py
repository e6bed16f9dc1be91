"""Where a service listens: by profile, by the old systems' variables, by a platform's port."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dictograph.api.server.host_origin import known_hosts
from dictograph.cli.doctor.findings import Verdict
from dictograph.cli.doctor.machine_checks import addresses
from dictograph.cli.serve import listen_to
from dictograph.contract import Address, Contract
from dictograph.errors import SettingsError
from dictograph.settings.loading import load
from dictograph.settings.profiles import gateway

GATEWAY = ["gateway@127.0.0.1:5000", "gateway@127.0.0.1:8765"]


@pytest.mark.parametrize(
    ("profile", "listen"),
    [
        ("", ["127.0.0.1:8000"]),
        ("gateway", GATEWAY),
        ("backend", ["backend@0.0.0.0:3203"]),
        ("path", ["path@0.0.0.0:4000"]),
        ("path,gateway", ["path@0.0.0.0:4000", *GATEWAY]),
        ("gateway, gateway", GATEWAY),
    ],
)
def test_profiles_listen_where_the_old_systems_did(tmp_path: Path, profile: str, listen: list[str]) -> None:
    loaded = load({}, {"DICTOGRAPH_PROFILE": profile}, tmp_path)
    assert loaded.settings.listen == listen
    assert [Address.parse(one).first for one in GATEWAY] == [Contract.GATEWAY, Contract.GATEWAY]


def test_several_profiles_are_open_to_the_guests_of_each(tmp_path: Path) -> None:
    both = load({"profile": "path,gateway"}, {}, tmp_path)
    assert both.settings.anonymous == ["path", "gateway-read"]
    assert both.origins["anonymous"] == "profile path, gateway"
    none = load({"profile": "path,gateway"}, {"DICTOGRAPH_ANONYMOUS": "none"}, tmp_path)
    assert (none.settings.anonymous, none.origins["anonymous"]) == ([], "environment")


def test_variables_of_several_places_make_an_address_together(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GATEWAY_PORT=5001\nGATEWAY_HOST=10.0.0.1\n")
    loaded = load({"profile": "gateway"}, {"GATEWAY_HOST": "0.0.0.0"}, tmp_path)
    assert loaded.settings.listen == ["gateway@0.0.0.0:5001", "gateway@127.0.0.1:8765"]
    assert loaded.origins["listen"] == "GATEWAY_HOST in the environment, GATEWAY_PORT in .env"
    stated = load({"profile": "gateway"}, {"DICTOGRAPH_LISTEN": "127.0.0.1:1"}, tmp_path)
    assert (stated.settings.listen, stated.origins["listen"]) == (["127.0.0.1:1"], "environment")


@pytest.mark.parametrize(
    ("variables", "listen"),
    [
        ({}, ["127.0.0.1:8000"]),
        ({"DICTOGRAPH_PROFILE": "backend"}, ["backend@0.0.0.0:3203", "backend@0.0.0.0:9000"]),
        ({"DICTOGRAPH_PROFILE": "gateway,path"}, [*GATEWAY, "path@0.0.0.0:4000", "0.0.0.0:9000"]),
        ({"DICTOGRAPH_PROFILE": "path", "DICTOGRAPH_LISTEN": "127.0.0.1:1"}, ["127.0.0.1:1", "path@0.0.0.0:9000"]),
        ({"DICTOGRAPH_PROFILE": "gateway", "GATEWAY_PORT": "9000"}, ["gateway@0.0.0.0:9000", GATEWAY[1]]),
        ({"DICTOGRAPH_INSECURE": "true"}, ["127.0.0.1:8000", "0.0.0.0:9000"]),
        ({"DICTOGRAPH_INSECURE": "true", "DICTOGRAPH_LISTEN": "127.0.0.1:9000"}, ["0.0.0.0:9000"]),
    ],
)
def test_a_platforms_port_adds_to_them(tmp_path: Path, variables: dict[str, str], listen: list[str]) -> None:
    loaded = load({}, {**variables, "PORT": "9000"}, tmp_path)
    assert loaded.settings.listen == listen
    if listen != ["127.0.0.1:8000"]:
        assert loaded.origins["listen"].endswith("PORT in the environment")


def test_what_the_command_line_says_of_addresses_is_all(tmp_path: Path) -> None:
    loaded = load({"profile": "backend", "listen": ["127.0.0.1:1"]}, {"PORT": "9000"}, tmp_path)
    assert loaded.settings.listen == ["127.0.0.1:1"]


@pytest.mark.parametrize(
    "listen",
    ["gateway@127.0.0.1:5000,path@0.0.0.0:5000", "127.0.0.1:5000,gateway@[::1]:5000", "backend@a:1,openai@a:1"],
)
def test_a_port_belongs_to_one_contract(tmp_path: Path, listen: str) -> None:
    with pytest.raises(SettingsError, match=r"DICTOGRAPH_LISTEN .* port (5000|1) is named for two contracts"):
        load({}, {"DICTOGRAPH_LISTEN": listen}, tmp_path)


def test_any_free_port_and_the_same_address_twice_are_no_contradiction(tmp_path: Path) -> None:
    listen = "gateway@127.0.0.1:0,path@127.0.0.1:0,127.0.0.1:1,127.0.0.1:1,[::1]:1"
    assert load({"listen": listen}, {}, tmp_path).settings.listen == [
        "gateway@127.0.0.1:0", "path@127.0.0.1:0", "127.0.0.1:1", "[::1]:1",
    ]  # fmt: skip


def test_two_profiles_on_one_port_are_told_by_the_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"GATEWAY_PORT in the environment .* port 4000 is named for two contracts"):
        load({"profile": "gateway,path"}, {"GATEWAY_PORT": "4000"}, tmp_path)


def test_the_gateways_lines_name_its_addresses() -> None:
    http, websocket = Address.parse("gateway@127.0.0.1:5000"), Address.parse("gateway@127.0.0.1:8765")
    lines = ["Starting Audio-Gateway on 127.0.0.1:5000", "Starting WebSocket server on 127.0.0.1:8765"]
    others = [Address.parse("path@0.0.0.0:4000"), http, websocket]
    assert list(gateway.listening(others, websocket)) == lines
    assert list(gateway.listening([http], None)) == lines[:1]
    assert list(gateway.listening([], websocket)) == lines[1:]
    plain = Address.parse("127.0.0.1:1")
    assert list(gateway.listening([plain], plain))[1] == "Starting WebSocket server on 127.0.0.1:1"
    assert list(gateway.working()) == ["Starting Transcription Service..."]


def test_a_platforms_port_is_a_workers_too(tmp_path: Path) -> None:
    loaded = load({}, {"DICTOGRAPH_PROFILE": "backend", "PORT": "9000"}, tmp_path)
    assert loaded.settings.worker_listen == ["0.0.0.0:9000"]
    assert load({}, {"PORT": "9000"}, tmp_path).settings.worker_listen == []


@pytest.mark.parametrize(
    ("profile", "port", "listen"),
    [
        ("", 1, ["127.0.0.1:1"]),
        ("gateway", 1, ["gateway@127.0.0.1:1"]),
        ("backend", 0, ["backend@0.0.0.0:0"]),
        ("backend,gateway", 0, ["backend@0.0.0.0:0", "gateway@127.0.0.1:0"]),
    ],
)
def test_a_port_on_the_command_line_is_for_all_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, port: int, listen: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert listen_to((), port, {"profile": profile or None}).settings.listen == listen


def test_one_port_for_two_contracts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="port 1 is named for two contracts"):
        listen_to((), 1, {"profile": "gateway,path"})


def test_a_contracts_address_is_known_by_its_host_and_can_be_tried() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = [f"path@127.0.0.1:{taken.getsockname()[1]}", "gateway@stt.example:0"]
        settings = load({"listen": listen}, {}, Path("/nowhere")).settings
        assert known_hosts(settings) >= {"stt.example", "127.0.0.1"}
        assert not [host for host in known_hosts(settings) if "@" in host]
        verdict, told, _ = addresses(settings.model_copy(update={"listen": settings.listen[:1]}))
        assert (verdict, told.startswith(settings.listen[0])) == (Verdict.WARN, True)
    assert addresses(settings.model_copy(update={"listen": ["path@127.0.0.1:0"]}))[0] is Verdict.OK
