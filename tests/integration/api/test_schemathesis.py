"""The OpenAPI document tells the truth, and nothing that it allows, or forbids, breaks the service."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from dictograph.contract import Contract
from dictograph.errors import LeaseLost
from tests.integration.api.live import FakeWorker, Live

# A request can be of the right form and name a model that is not offered: that is refused as well.
EXCLUDED = "positive_data_acceptance"
OTHERS = sorted(contract.value for contract in Contract if contract is not Contract.NATIVE)


@contextmanager
def busy(hand: FakeWorker) -> Iterator[None]:
    """A worker that completes every job at once, so that no stream and no `wait` goes on for long."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.02):
            with suppress(LeaseLost):  # it was cancelled or deleted meanwhile
                if hand.claim_any():
                    hand.plan(1)
                    hand.commit(0)
                    hand.complete()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join(20)


@pytest.mark.slow
def test_schemathesis_finds_nothing(api: Live, hand: FakeWorker, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{api.base}/openapi.json", "--checks", "all",
        "--exclude-checks", EXCLUDED, "--max-examples", "4", "--seed", "1", "--request-timeout", "20",
        "--generation-database", "none", "--no-color",
        *(word for contract in OTHERS for word in ("--exclude-tag", contract)),
    ]  # fmt: skip
    with busy(hand):
        outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert outcome.returncode == 0, outcome.stdout[-8000:] + outcome.stderr[-2000:]
    print(outcome.stdout)
    assert f"{len(native_operations(api))} selected / " in outcome.stdout


def native_operations(api: Live) -> list[str]:
    """Those that were not left out."""
    paths: dict[str, dict[str, dict[str, list[str]]]] = httpx.get(f"{api.base}/openapi.json").json()["paths"]
    return [
        f"{method} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if set(OTHERS).isdisjoint(operation.get("tags", []))
    ]
