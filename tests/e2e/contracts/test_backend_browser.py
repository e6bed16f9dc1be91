"""A web page of another origin, in a real browser: presigned address, PUT, transcribe, WebSocket, result."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, sync_playwright

from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.needs import need
from tests.s3 import S3Server
from tests.service import Service, service

#: What the pages of the older system do, in few words. Every step is noted.
PAGE = """<!doctype html><title>Transcribe</title><input type=file id=file><pre id=log></pre><script>
const note = (name, value) => { document.title = name; log.textContent += name + '=' + value + '\\n' }
const api = decodeURIComponent(location.hash.slice(1)) + '/api/v1'
async function run(file) {
  const name = encodeURIComponent(file.name).replace(/%20/g, '+')
  const query = `filename=${name}&content_type=${encodeURIComponent(file.type)}&file_size=${file.size}`
  const { url } = await (await fetch(`${api}/audio/get_presigned_url?${query}`)).json()
  const put = await fetch(url, { method: 'PUT', headers: { 'Content-Type': file.type }, body: file })
  note('put', put.ok)
  const made = await fetch(`${api}/job/transcribe`, { method: 'POST',
    headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ filename: file.name, url }) })
  const job = await made.json()
  note('status', job.status)
  const socket = new WebSocket(`${api.replace('http', 'ws')}/job/ws/${job.id}`)
  socket.onmessage = event => {
    const said = JSON.parse(event.data)
    note(said.type, said.status || '')
    if (said.status === 'completed') note('result', said.result)
  }
  socket.onclose = async event => {
    note('code', event.code)
    const shown = await (await fetch(`${api}/job/status/${job.id}`)).json()
    note('text', shown.result_text)
    note('end', shown.status)
  }
}
file.onchange = () => run(file.files[0]).catch(error => note('end', error))
</script>"""


class Pages(BaseHTTPRequestHandler):
    """A web server of its own, as the pages had."""

    def do_GET(self) -> None:
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return None


@pytest.fixture(scope="module")
def origins() -> Iterator[list[str]]:
    """Two origins that have the page; the service knows the first."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Pages) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, origins: list[str]) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("service"), **SETTINGS, backend_origins=origins[0]) as up:
        yield up


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, origins: list[str], s3: S3Server) -> Iterator[Service]:
    """The same service with its storage in a bucket, which it makes."""
    stored = s3.settings(s3.new_bucket())
    with service(tmp_path_factory.mktemp("bucket"), **SETTINGS, **stored, backend_origins=origins[0]) as up:
        yield up


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    program = need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def used(page: Page, origin: str, one: Service, audio: Path) -> list[str]:
    """What the page has noted when it is done with a file."""
    page.goto("about:blank")
    page.goto(f"{origin}/#{one.base}")
    page.set_input_files("#file", audio)
    page.wait_for_function("document.title === 'end'", timeout=60_000)
    return (page.text_content("#log") or "").splitlines()


@pytest.mark.parametrize("name", ["my talk (1).wav", "Grüße & Küsse+.mpga", "talk.opus"])
@pytest.mark.contract("backend", "PUT /api/v1/audio/object/{slot_id}/{filename}", "from a page of another origin")
@pytest.mark.contract("backend", "POST /api/v1/job/transcribe", "from a page of another origin")
@pytest.mark.contract("backend", "WS /api/v1/job/ws/{job_id}", "in a browser: the service closes first, with 1000")
def test_a_page_of_another_origin(one: Service, page: Page, origins: list[str], tmp_path: Path, name: str) -> None:
    notes = used(page, origins[0], one, write_noise(tmp_path / name, 2, 1))
    assert notes[:3] == ["put=true", "status=pending", "connected="], notes
    *_, last_update, result, code, text, end = notes
    assert (last_update, code, end) == ("job_update=completed", "code=1000", "end=completed")
    assert result.partition("=")[2] == text.partition("=")[2] != ""
    [job] = Backend(one).service.rows("SELECT filename FROM transcription_job ORDER BY creation_date DESC LIMIT 1")
    assert job == (name,)


@pytest.mark.contract("backend", "GET /api/v1/audio/get_presigned_url", "from a page, into a bucket of S3")
def test_a_page_uploads_into_the_bucket(bucket: Service, page: Page, origins: list[str], tmp_path: Path) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    notes = used(page, origins[0], bucket, write_noise(tmp_path / "my talk (1).wav", 2, 1))
    assert (notes[0], notes[-1]) == ("put=true", "end=completed"), notes
    assert [url.startswith(str(bucket.settings["s3_endpoint"])) for url in sent] == [True], "past the service"


def test_a_page_that_the_service_does_not_know_gets_nothing(
    one: Service, page: Page, origins: list[str], tmp_path: Path
) -> None:
    notes = used(page, origins[1], one, write_noise(tmp_path / "talk.wav", 2, 1))
    assert notes == ["end=TypeError: Failed to fetch"]


@pytest.mark.contract("backend", "GET /docs", "a page without scripts, readable in a browser")
@pytest.mark.contract("backend", "GET /redoc", "a page without scripts, readable in a browser")
def test_the_pages_of_the_api_need_nothing_from_elsewhere(one: Service, page: Page) -> None:
    asked, troubles = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: troubles.append(message.text))
    for path in ("/docs", "/redoc"):
        page.goto(one.base + path)
        text = page.inner_text("body")
        assert "POST /api/v1/job/transcribe" in " ".join(text.split())
        assert page.evaluate("getComputedStyle(document.querySelector('details')).borderTopStyle") == "solid"
        assert page.evaluate("document.scripts.length") == 0
    page.click("a[href='/openapi.json']")
    assert page.url == f"{one.base}/openapi.json"
    assert [url for url in asked if not url.startswith(one.base)] == []
    assert [text for text in troubles if "favicon" not in text] == []


@pytest.mark.contract("backend", "OPTIONS", "preflights of `PUT` on the address with its query, and of `transcribe`")
def test_preflights(one: Service, origins: list[str]) -> None:
    backend = Backend(one)
    address = backend.presign("a.mp3", "audio/mpeg", 10).json()["url"]
    asked = {"Origin": origins[0], "Access-Control-Request-Headers": "content-type"}
    for url, method in ((address, "PUT"), (f"{one.base}/api/v1/job/transcribe", "POST")):
        headers = {**asked, "Access-Control-Request-Method": method}
        answer = requests.options(url, headers=headers, timeout=30)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == origins[0]
        assert method in answer.headers["access-control-allow-methods"]
        assert "content-type" in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        other = requests.options(url, headers={**headers, "Origin": origins[1]}, timeout=30)
        assert "access-control-allow-origin" not in other.headers
