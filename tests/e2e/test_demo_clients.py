"""`make demo-clients` ends well, and every client with its text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.service import ROOT

_DEMO_S = 180
_WORDS = "one two three four five six seven eight"


def test_every_client_ends_with_its_text(tmp_path: Path) -> None:
    """Run as make runs it, but by this Python, which has all that make would install first."""
    [recipe] = [line for line in (ROOT / "Makefile").read_text().splitlines() if "scripts.demo_clients" in line]
    assert recipe.strip() == "@exec $(bin)/python -m scripts.demo_clients"
    # Settings of whoever runs the demo are no settings of the demo's service.
    environment = os.environ | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "DICTOGRAPH_ENGINE": "whisper"}
    demo = subprocess.run(
        [sys.executable, "-m", "scripts.demo_clients"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_DEMO_S, check=False,
    )  # fmt: skip
    assert demo.returncode == 0, demo.stdout + demo.stderr
    texts = [line.split("text: ")[1] for line in demo.stdout.splitlines() if "  text: " in line]
    assert texts == [_WORDS] * 6
    for title in ("native", "gateway", "backend", "path service", "OpenAI", "whisper-asr-webservice"):
        assert title in demo.stdout
    assert "All well" in demo.stdout
    assert list(tmp_path.iterdir()) == []
