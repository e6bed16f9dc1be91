"""What all suites share: an environment of their own, a free data folder, the time that each suite took."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import shared

pytest_plugins = ["tests.kafka", "tests.postgres", "tests.redis", "tests.s3"]

# Examples differ from run to run on a desk, and are the same ones everywhere else. No deadline: how
# long an example takes says more about the machine's other work than about the code.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the settings of whoever runs the tests out of them; what is shared ends with the first process."""
    if shared.begin():
        config.add_cleanup(shared.end)
    for name in [name for name in os.environ if name.startswith("DICTOGRAPH_")]:
        del os.environ[name]
    # Decoders work in a folder of their own: those of the tests have to be found from there.
    root = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as in every child, for what tests import themselves


#: The files that take longest, in this order. They are run first, so that no core waits at the end for another that
#: has just begun with one of them.
LONGEST = (
    "chaos/test_kills.py",
    "chaos/test_faults_postgres.py",
    "e2e/combinations/test_native.py",
    "e2e/test_tiny_model.py",
    "e2e/test_backup.py",
    "e2e/test_cli.py",
    "e2e/test_dist.py",
    "e2e/test_readme.py",
    "e2e/test_hostile_audio.py",
    "e2e/test_hostile.py",
    "e2e/combinations/test_stt_jobs.py",
    "e2e/contracts/test_profiles.py",
    "e2e/test_webhooks.py",
    "e2e/contracts/test_openai_calls.py",
    "integration/audio/test_hostile_mutations.py",
    "integration/engine/test_accuracy.py",
    "integration/engine/test_conformance.py",
    "integration/store/jobs/test_lease.py",
    "integration/audio/test_decoder_hostile.py",
    "integration/child/test_sandbox.py",
    "integration/store/webhooks/test_deliveries.py",
    "integration/api/test_hostile_bodies.py",
    "integration/audio/test_decoder_formats.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; inside of a file, and of the others, nothing changes its place."""
    tests = Path(__file__).parent
    place = {tests / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that a test runs in this process sends its log where it likes: only until the test ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder that nobody else uses; it is not made yet."""
    return tmp_path / "data"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The time that the tests of each suite took, added up."""
    seconds: dict[str, float] = defaultdict(float)
    for outcome in ("passed", "failed", "skipped", "error", ""):
        for report in terminalreporter.stats.get(outcome, []):
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.removeprefix("tests/").split("/")[0]] += report.duration
    if seconds:
        figures = " · ".join(f"{suite} {took:.1f} s" for suite, took in sorted(seconds.items()))
        terminalreporter.write_line(f"time in tests: {figures}")
