"""A receiver of webhooks on loopback, which answers as it is told and remembers what came."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Came:
    """A request. `number` counts those to its path, from 1."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    number: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        shape: dict[str, Any] = json.loads(self.body)
        return shape

    @property
    def job(self) -> str:
        return str(self.told["data"]["id"])


#: What to answer: a status, or a status with headers and a body.
Answer = int | tuple[int, Mapping[str, str], bytes]


class Receiver:
    """`rules` say what each path answers; 204 where there is none. A rule may wait as long as it likes: `closing` is
    set when the test is over."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.came: list[Came] = []
        self.rules: dict[str, Callable[[Came], Answer]] = {}
        self.closing = threading.Event()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                came = receiver._note(self, body)
                answer = receiver.rules.get(came.path, lambda _: 204)(came)
                status, headers, text = (answer, {}, b"") if isinstance(answer, int) else answer
                try:
                    self.send_response(status)
                    for name, value in {"content-length": str(len(text)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # nobody waits for it any more

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *args: object) -> None:
                """It remembers, and says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.authority = f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, path: str) -> str:
        return f"http://{self.authority}{path}"

    def at(self, path: str) -> list[Came]:
        """What came to a path so far."""
        with self._lock:
            return [one for one in self.came if one.path == path]

    def hang(self, _: Came) -> Answer:
        """A rule that answers nothing until the test is over."""
        self.closing.wait(60)
        return 500

    def _note(self, handler: BaseHTTPRequestHandler, body: bytes) -> Came:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            number = sum(one.path == handler.path for one in self.came) + 1
            came = Came(handler.command, handler.path, headers, body, number)
            self.came.append(came)
        return came


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that listens, and is gone afterwards."""
    receiver = Receiver(tls)
    thread = threading.Thread(target=receiver._server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        receiver._server.shutdown()
        thread.join(20)
        receiver._server.server_close()
