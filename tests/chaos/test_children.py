"""Children that crash, hang or grow end one attempt with a named error, and harm no neighbour."""

from __future__ import annotations

import hashlib
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.audio_files import write_noise, write_wav
from tests.processes import decoders_of
from tests.service import Service, eventually, service

PLAIN = {"vad_filter": "false"}
SLOW_RETRY = {"retry_base": "50ms", "retry_max": "50ms"}


def _digest_of_first_window(samples: np.ndarray) -> str:
    """What the digest engine says of a file of less than 25 s: its one window is the whole of it."""
    return hashlib.sha256(samples.astype(np.int16).tobytes() + b"0.000").hexdigest()[:16]


def _poison(folder: Path) -> tuple[Path, str]:
    rng = np.random.default_rng(7)
    samples = rng.integers(-9_000, 9_000, 8 * 16_000).astype(np.int16)
    return write_wav(folder / "poison.wav", samples), _digest_of_first_window(samples)


@pytest.mark.parametrize(
    ("misbehaviour", "code", "settings"),
    [
        ("crash_on", "engine_crashed", {}),
        ("hang_on", "engine_timeout", {"engine_timeout": "1s"}),
        ("grow_on", "engine_out_of_memory", {"engine_memory": "300MiB"}),
        ("raise_on", "engine_failed", {}),
    ],
)
def test_only_the_guilty_job_pays(tmp_path: Path, misbehaviour: str, code: str, settings: dict[str, object]) -> None:
    poison, digest = _poison(tmp_path)
    neighbours = [write_noise(tmp_path / f"n{seed}.wav", 70, seed) for seed in range(2)]
    with service(tmp_path, max_attempts=2, **SLOW_RETRY, **settings) as one:
        one.behave(delay=0.15, max_batch=4, **{misbehaviour: [digest]})
        good = [one.submit(audio, **PLAIN) for audio in neighbours]
        bad = one.submit(poison, **PLAIN)
        failed = one.wait_for(bad)
        assert (failed["status"], failed["error"]["code"]) == ("failed", code)
        assert failed["error"]["stage"] == "TRANSCRIBE"
        assert (failed["dead"], failed["attempt"]) == (True, 2)
        for job in good:
            done = one.wait_for(job)
            assert (done["status"], done["failures"], done["attempt"]) == ("completed", 0, 1)


def test_a_job_that_always_kills_its_worker_is_dead_after_max_attempts(tmp_path: Path) -> None:
    poison, digest = _poison(tmp_path)
    one = Service(tmp_path, max_attempts=3, sandbox="off", **SLOW_RETRY)  # else the kernel refuses it the kill
    one.behave(kill_parent_on=[digest])
    one.start().wait_until_up()
    job = one.submit(poison, **PLAIN)
    deaths = 0
    while deaths < 10:
        eventually(lambda: not one.running or _ended(one, job), 60, "neither dead nor killed")
        if one.running:
            break
        deaths += 1
        one.start().wait_until_up()
    failed = one.wait_for(job)
    one.stop()
    assert deaths == 3
    assert (failed["status"], failed["dead"], failed["attempt"]) == ("failed", True, 3)
    assert failed["error"]["code"] == "worker_lost"


def _ended(one: Service, job: str) -> bool:
    return bool(one.rows("SELECT 1 FROM transcription_job WHERE id = ? AND status = 'failed'", job))


@pytest.fixture(scope="module")
def three_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audio that a decoder has something to do with."""
    return write_noise(tmp_path_factory.mktemp("long") / "long.wav", 3 * 3600, 1)


@pytest.mark.parametrize(
    ("signal_number", "code", "settings"),
    [
        (signal.SIGSEGV, "decoder_crashed", {}),
        (signal.SIGSTOP, "decoder_timeout", {"decoder_timeout": "1s"}),
    ],
)
def test_a_decoder_that_crashes_or_hangs(
    tmp_path: Path, three_hours: Path, signal_number: signal.Signals, code: str, settings: dict[str, object]
) -> None:
    short = write_noise(tmp_path / "short.wav", 20, 2)
    with service(tmp_path, max_attempts=1, **settings) as one:
        one.behave(delay=0.05)
        job = one.submit(three_hours, **PLAIN)
        assert one.process is not None
        pid = one.process.pid
        child = eventually(lambda: decoders_of(pid))[0]
        child.send_signal(signal_number)
        neighbour = one.submit(short, **PLAIN)
        failed = one.wait_for(job)
        assert (failed["status"], failed["error"]["code"], failed["error"]["stage"]) == ("failed", code, "DECODE")
        assert one.wait_for(neighbour)["status"] == "completed"


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_fork_server_that_is_killed_or_stopped_costs_no_job_an_attempt(
    tmp_path: Path, signal_number: signal.Signals
) -> None:
    long, short = write_noise(tmp_path / "long.wav", 900, 1), write_noise(tmp_path / "short.wav", 20, 2)
    with service(tmp_path, max_attempts=1) as one:
        assert one.process is not None
        process = one.process.pid
        one.wait_for(one.submit(short, **PLAIN))
        job = one.submit(long, **PLAIN)
        eventually(lambda: decoders_of(process))
        [server] = [
            each for each in psutil.Process(process).children() if "dictograph.child.fork_server" in each.cmdline()
        ]
        server.send_signal(signal_number)
        jobs = [job, *(one.submit(short, **PLAIN) for _ in range(3))]
        for each in jobs:
            done = one.wait_for(each)
            assert (done["status"], done["failures"]) == ("completed", 0), done


def test_a_decoder_that_outgrows_its_memory(tmp_path: Path, three_hours: Path) -> None:
    with service(tmp_path, max_attempts=1, decoder_memory="20MiB") as one:
        failed = one.wait_for(one.submit(three_hours, **PLAIN))
        assert failed["error"]["code"] == "decoder_out_of_memory"
        assert one.get("/health").status_code == 200


def test_children_end_with_their_killed_parent(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 200, 1)
    one = Service(tmp_path)
    one.behave(delay=5)
    one.start().wait_until_up()
    one.submit(audio, **PLAIN)
    assert one.process is not None
    parent = psutil.Process(one.process.pid)
    children = eventually(lambda: c if len(c := parent.children(recursive=True)) >= 2 else None)
    one.kill()
    killed = time.monotonic()
    eventually(lambda: not any(child.is_running() for child in children), 10, "children outlive their parent")
    assert time.monotonic() - killed < 3
