"""Keys and tickets as they are meant: a server that has the key, and a page in a browser that has a ticket only."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.audio_files import write_noise
from tests.keys import by_bearer, by_key, make_key
from tests.needs import need
from tests.service import Service, service

#: Follows a job by both ways that can send no header, and tells how each ended.
PAGE = """<!doctype html><title>waits</title><script>
const { base, job, ticket } = JSON.parse(decodeURIComponent(location.hash.slice(1)))
const ends = {}
function ended(way, what) {
  ends[way] ??= what
  if (ends.events && ends.socket) document.title = JSON.stringify(ends)
}
const source = new EventSource(`${base}/v1/transcriptions/${job}/events?ticket=${ticket}`)
source.addEventListener('completed', () => { source.close(); ended('events', 'completed') })
source.onerror = () => { source.close(); ended('events', 'refused') }
const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/transcriptions/${job}/ws?ticket=${ticket}`)
socket.onmessage = event => { if (JSON.parse(event.data).type === 'completed') ended('socket', 'completed') }
socket.onclose = event => ended('socket', `refused ${event.code}`)
</script>"""


class Pages(BaseHTTPRequestHandler):
    """The web server of the page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *args: object) -> None:
        return None


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("service"), allowed_origins=origin) as up:
        yield up


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = need("chromium")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.mark.contract("native", "POST /v1/tickets", "a page of another origin follows its job, in a real browser")
def test_a_page_with_a_ticket_follows_its_job_and_no_other(
    one: Service, origin: str, browser: Browser, tmp_path: Path
) -> None:
    key = by_bearer(make_key(one.database, "alice").secret)
    file = write_noise(tmp_path / "talk.wav", 2.0, seed=1)

    def submitted() -> str:
        answer = one.post("/v1/transcriptions", files={"file": ("talk.wav", file.read_bytes())}, headers=key)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    mine, other = submitted(), submitted()
    ticket = one.post("/v1/tickets", headers=key, json={"job_id": mine}).json()["ticket"]
    assert follow(browser, origin, one.base, mine, ticket) == {"events": "completed", "socket": "completed"}
    assert follow(browser, origin, one.base, other, ticket) == {"events": "refused", "socket": "refused 1006"}
    assert ticket.rpartition(".")[2] not in one.words_of_log()


def follow(browser: Browser, origin: str, base: str, job: str, ticket: str) -> dict[str, str]:
    """How following ended."""
    page = browser.new_page()
    page.goto(f"{origin}/#{quote(json.dumps({'base': base, 'job': job, 'ticket': ticket}))}")
    page.wait_for_function("document.title.startsWith('{')", timeout=30_000)
    ends: dict[str, str] = json.loads(page.title())
    return ends


def test_the_owner_alone_hears_of_a_job(one: Service, tmp_path: Path) -> None:
    alice, bob = (by_key(make_key(one.database, owner).secret) for owner in ("alice", "bob"))
    file = write_noise(tmp_path / "talk.wav", 1.0, seed=2)
    files = {"file": ("talk.wav", file.read_bytes())}
    job = one.post("/v1/transcriptions", files=files, headers=alice, params={"wait": "60"}).json()
    assert job["status"] == "completed"
    assert one.get(f"/v1/transcriptions/{job['id']}/transcript", headers=alice).status_code == 200
    assert one.get(f"/v1/transcriptions/{job['id']}/transcript", headers=bob).status_code == 404
    assert one.get("/v1/transcriptions", headers=bob).json()["data"] == []
    assert one.get("/v1/transcriptions").status_code == 401
