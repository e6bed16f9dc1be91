"""`make demo` ends well, and says the sample's words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.service import ROOT

_DEMO_S = 120


def test_the_demo_ends_with_the_words_of_its_sample(tmp_path: Path) -> None:
    """Run as make runs it, but by this Python, which has all that make would install first."""
    [recipe] = [line for line in (ROOT / "Makefile").read_text().splitlines() if "scripts/demo.py" in line]
    assert recipe.strip() == "@exec $(bin)/python scripts/demo.py"
    # Settings of whoever runs the demo, even bad ones, are no settings of the demo's service.
    environment = os.environ | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "DICTOGRAPH_ENGINE": "whisper"}
    demo = subprocess.run(
        [sys.executable, "scripts/demo.py"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_DEMO_S, check=False,
    )  # fmt: skip
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "hello this is a short test of speech recognition" in demo.stdout
    assert "All well" in demo.stdout
    assert list(tmp_path.iterdir()) == []
