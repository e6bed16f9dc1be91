"""Web pages of any origin use the path contract, without credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service import Service, service

PAGE = {"origin": "https://page.example"}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with service(folder, listen="path@127.0.0.1:0,127.0.0.1:0", path_roots=folder, anonymous="path") as up:
        yield up


@pytest.mark.parametrize("path", ["/transcribe", "/upload", "/status?path=/x", "/health", "/nothing"])
@pytest.mark.parametrize("origin", ["https://page.example", "http://localhost:5173", "null"])
@pytest.mark.contract("path", "OPTIONS", "204 for a preflight of any origin, without credentials")
def test_a_preflight_of_any_page_is_answered_with_204(one: Service, path: str, origin: str) -> None:
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    answer = httpx.options(one.base + path, headers=asked, timeout=30)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] in ("*", origin)
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "content-type" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.contract("path", "OPTIONS", "204, also when it is no preflight")
def test_options_without_more_are_answered_with_204(one: Service) -> None:
    for path in ("/transcribe", "/upload", "/status", "/health"):
        assert httpx.options(one.base + path, timeout=30).status_code == 204


@pytest.mark.contract("path", "POST /transcribe", "answers and refusals can be read by pages of any origin")
def test_every_answer_can_be_read_by_the_page(one: Service) -> None:
    body = {"json": {"path": str(one.log)}, "headers": PAGE}
    for answer in (
        one.post("/transcribe", **body),
        one.post("/transcribe", json={}, headers=PAGE),
        one.post("/upload", files={"file": ("a.wav", b"abc")}, headers=PAGE),
        one.get("/status?path=/x", headers=PAGE),
        one.get("/health", headers=PAGE),
        one.get("/nothing", headers=PAGE),
    ):
        assert answer.headers["access-control-allow-origin"] in ("*", PAGE["origin"]), answer.request.url
        assert "access-control-allow-credentials" not in answer.headers


def test_a_page_that_has_no_origin_to_show_can_read_it_too(one: Service) -> None:
    assert one.get("/health").headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("settings", [{}, {"listen": "path@127.0.0.1:0", "anonymous": "none"}], ids=["usual", "closed"])
def test_where_the_contract_was_not_opened_no_page_reaches_it(tmp_path: Path, settings: dict[str, str]) -> None:
    """A page could else have the files of whoever looks at it read to it."""
    (tmp_path / "talk.wav").write_bytes(b"private")
    with service(tmp_path, path_roots=tmp_path, **settings) as closed:
        body = {"path": str(tmp_path / "talk.wav")}
        assert closed.post("/transcribe", json=body, headers=PAGE).status_code == 403
        assert closed.rows("SELECT id FROM transcription_job") == []
        for path in ("/status?path=/x", "/health"):
            answer = closed.get(path, headers=PAGE)
            assert "access-control-allow-origin" not in answer.headers, "the page could read it"


@pytest.mark.contract("path", "start without roots", "prints the line to set; uploads are taken all the same")
def test_without_roots_the_start_prints_the_line_to_set(tmp_path: Path, one: Service) -> None:
    with service(tmp_path, listen="path@127.0.0.1:0", anonymous="path") as rootless:
        [line] = [line for line in rootless.words_of_log().splitlines() if "PATH_ROOTS" in line]
        assert line.split() == ["DICTOGRAPH_PATH_ROOTS=/data"]
        answer = rootless.post("/transcribe", json={"path": str(rootless.log)})
        assert (answer.status_code, list(answer.json())) == (400, ["error"])
        path = rootless.post("/upload", files={"file": ("a.wav", b"abc")}).json()["path"]
        assert rootless.post("/transcribe", json={"path": path}).status_code == 202
    assert "PATH_ROOTS" not in one.words_of_log()
