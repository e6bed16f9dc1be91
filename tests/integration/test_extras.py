"""A service whose settings need a library that is not installed says how to install it, and does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_WITHOUT = """
import runpy, sys
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
runpy.run_module("dictograph", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("modules", "variable", "url", "extra"),
    [
        ("confluent_kafka", "QUEUE_URL", "kafka://127.0.0.1:9", "kafka"),
        ("celery,redis", "QUEUE_URL", "redis://127.0.0.1:9", "celery"),
        ("obstore,boto3", "STORAGE_URL", "s3://bucket", "s3"),
    ],
)
def test_a_missing_extra_is_named(tmp_path: Path, modules: str, variable: str, url: str, extra: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DICTOGRAPH_")}
    environment = {**kept, "DICTOGRAPH_DATA_DIR": str(tmp_path / "data"), f"DICTOGRAPH_{variable}": url}
    command = [sys.executable, "-c", _WITHOUT, modules, "serve", "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 3
    assert f'pip install "dictograph[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr
