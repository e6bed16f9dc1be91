"""What a service says when it listens: the calls to try are calls that work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dictograph.banner import banner
from dictograph.contract import Address
from dictograph.settings.model import Settings

NATIVE = "http://127.0.0.1:8000/v1/transcriptions?wait=60"


def lines(label: str, *listen: str, keys: bool = False, **settings: Any) -> list[str]:
    """The lines under this label, for these addresses."""
    addresses = [Address.parse(one) for one in listen]
    found, under = [], ""
    for line in banner(Settings(**settings), addresses, "digest", keys=keys).splitlines()[1:]:
        under = line[2:9].strip() or under
        found += [line[10:]] if under == label else []
    return found


def test_without_keys_the_call_needs_none() -> None:
    assert lines("try", "127.0.0.1:8000") == [f"curl -F file=@talk.mp3 '{NATIVE}'"]
    assert lines("try", "0.0.0.0:8000", insecure=True) == [f"curl -F file=@talk.mp3 '{NATIVE}'"]


def test_with_keys_the_call_shows_one_and_no_secret_is_written_out() -> None:
    shown = '-H "X-API-Key: $DICTOGRAPH_KEY"'
    assert lines("try", "127.0.0.1:8000", keys=True) == [f"curl {shown} -F file=@talk.mp3 '{NATIVE}'"]
    both = lines("try", "gateway@127.0.0.1:5000", keys=True, gateway_api_key="secret")
    assert both == [f"curl {shown} -F file=@talk.mp3 http://127.0.0.1:5000/upload"]


def test_with_a_gateways_key_alone_the_call_is_the_gateways() -> None:
    upload = "-F file=@talk.mp3 http://127.0.0.1:8000/upload"
    for listen in ("127.0.0.1:8000", "gateway@127.0.0.1:8000"):
        assert lines("try", listen, gateway_api_key="secret") == [
            f'curl -H "X-API-Key: $DICTOGRAPH_GATEWAY_API_KEY" {upload}'
        ]
        assert lines("try", listen, gateway_api_key="secret", profile=["gateway"]) == [
            f'curl -H "X-API-Key: $API_KEY" {upload}'
        ]


@pytest.mark.parametrize(
    ("listen", "call"),
    [
        ("gateway@127.0.0.1:5000", "curl -F file=@talk.mp3 http://127.0.0.1:5000/upload"),
        ("backend@0.0.0.0:8002", "curl http://127.0.0.1:8002/api/v1"),
        (
            "path@0.0.0.0:4",
            """curl -H 'Content-Type: application/json' -d '{"path": "/a b/talk.mp3"}' http://127.0.0.1:4/transcribe""",
        ),
        (
            "openai@[::]:80",
            "curl -F file=@talk.mp3 -F model=whisper-1 http://[::1]:80/v1/audio/transcriptions",
        ),
        ("asr@127.0.0.1:9000", "curl -F audio_file=@talk.mp3 http://127.0.0.1:9000/asr"),
    ],
)
def test_the_call_is_of_the_contract_that_has_the_address(listen: str, call: str) -> None:
    assert lines("try", listen, path_roots=["/a b", "/data"]) == [call]


def test_what_is_open_to_guests_needs_no_key_where_there_are_some() -> None:
    [call] = lines("try", "path@0.0.0.0:4000", keys=True, anonymous=["path"])
    assert call == "curl -F file=@talk.mp3 http://127.0.0.1:4000/upload"
    assert "X-API-Key" in lines("try", "path@0.0.0.0:4000", keys=True)[0]


def test_of_several_addresses_each_contract_has_one_call() -> None:
    calls = lines("try", "gateway@127.0.0.1:5000", "gateway@127.0.0.1:8765", "backend@127.0.0.1:8002")
    assert calls == [
        "curl -F file=@talk.mp3 http://127.0.0.1:5000/upload",
        "curl http://127.0.0.1:8002/api/v1",
    ]


def test_the_path_contract_names_its_roots_or_says_how_to_set_them() -> None:
    listen = "path@127.0.0.1:4000"
    assert lines("paths", listen, path_roots=["/data", "/srv/audio"]) == ["/data, /srv/audio"]
    assert "DICTOGRAPH_PATH_ROOTS=/data" in lines("paths", listen)
    assert lines("paths", "127.0.0.1:8000", path_roots=["/data"]) == []


def test_a_folder_that_no_file_can_be_read_from_is_told(tmp_path: Path) -> None:
    from dictograph.cli.doctor.findings import Verdict
    from dictograph.cli.doctor.machine_checks import paths

    (tmp_path / "file").write_bytes(b"")
    good, gone, file = tmp_path, tmp_path / "gone", tmp_path / "file"
    assert paths(Settings(path_roots=[good]))[:2] == (Verdict.OK, f"{good} can be read")
    verdict, told, advice = paths(Settings(path_roots=[good, gone, file]))
    assert (verdict, f"{gone} (DICTOGRAPH_PATH_ROOTS) is not there" in told) == (Verdict.WARN, True)
    assert f"{file} (DICTOGRAPH_PATH_ROOTS) is no folder" in told
    assert f"{good} (" not in told
    assert "DICTOGRAPH_PATH_ROOTS" in advice
