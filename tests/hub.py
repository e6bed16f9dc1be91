"""A Hugging Face hub on loopback: the few answers that fetching a model needs, and ways to go wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_LARGE = 100_000  # bytes; such files are in "Git LFS", and have their SHA-256 told


@dataclass
class Hub:
    """A model's files under a repository id, and how the server treats those who ask for them.

    `pause_at`: bytes of model.bin after which a download waits for `go_on`. `cut_at`: bytes of
    model.bin after which the connection breaks, once. `silent`: connections are taken and nothing
    is answered, until `go_on`. `damaged`: one byte of model.bin is another. `busy`: it answers 503.
    """

    folder: Path
    repository: str = "Systran/faster-whisper-small"
    commit: str = "c0ffee" + "0" * 34
    pause_at: int | None = None
    cut_at: int | None = None
    silent: bool = False
    damaged: bool = False
    busy: bool = False
    token: str | None = None
    url: str = ""
    go_on: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def model(self) -> bytes:
        return (self.folder / "model.bin").read_bytes()

    def gets(self, name: str) -> list[str]:
        """The Range headers ("" for none) that a file was asked for with."""
        return [range for method, path, range in self.requests if method == "GET" and path.endswith("/" + name)]

    def listing(self) -> dict[str, Any]:
        files = sorted(path for path in self.folder.iterdir() if path.is_file())
        return {"id": self.repository, "sha": self.commit, "siblings": [_sibling(path) for path in files]}


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Run the hub; `hub.url` says where."""
    server = _Server(("127.0.0.1", 0), hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], hub: Hub) -> None:
        super().__init__(address, _Handler)
        self.hub = hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._get()

    def _get(self) -> None:
        hub = self.server.hub
        path = self.path.partition("?")[0]
        hub.requests.append(("GET", path, self.headers.get("Range", "")))
        if hub.silent:
            hub.go_on.wait()
        if hub.busy:
            self._answer(503, b"{}", {})
        elif hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self._answer(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif path in (f"/api/models/{hub.repository}/revision/{revision}" for revision in ("main", hub.commit)):
            self._answer(200, json.dumps(hub.listing()).encode(), {"Content-Type": "application/json"})
        elif path.startswith(prefix := f"/{hub.repository}/resolve/{hub.commit}/"):
            self._send_file(path.removeprefix(prefix))
        else:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _send_file(self, name: str) -> None:
        hub = self.server.hub
        content = (hub.folder / name).read_bytes()
        if name == "model.bin" and hub.damaged:
            content = content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]
        offset = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if offset else 200)
        self.send_header("Content-Length", str(len(content) - offset))
        self.send_header("X-Repo-Commit", hub.commit)
        self.end_headers()
        self._send(name, content, offset)

    def _send(self, name: str, content: bytes, offset: int) -> None:
        hub = self.server.hub
        if name == "model.bin" and hub.cut_at is not None:
            self.wfile.write(content[offset : hub.cut_at])
            hub.cut_at = None
            self.close_connection = True
        elif name == "model.bin" and hub.pause_at is not None:
            self.wfile.write(content[offset : hub.pause_at])
            hub.go_on.wait()
            self.wfile.write(content[max(offset, hub.pause_at) :])
        else:
            self.wfile.write(content[offset:])

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def _sibling(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    git = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    shape: dict[str, Any] = {"rfilename": path.name, "size": len(content), "blobId": git}
    if len(content) > _LARGE:
        shape["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return shape
