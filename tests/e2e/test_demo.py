"""`make demo` ends well, and says the samples' words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests import weights
from tests.service import ROOT

_DEMO_S = 120


def test_the_demo_ends_with_the_words_of_its_samples(tmp_path: Path) -> None:
    said = demo(tmp_path, weights.base().parent)
    assert "Hello, this is a short test of speech recognition." in said
    assert re.search(r"\d%  Guten Tag, meine Damen und Herren", said)
    assert "wir kommen aus deutschland" in said.lower()


def test_without_weights_the_demo_has_sphinx_and_says_so(tmp_path: Path) -> None:
    said = demo(tmp_path, tmp_path / "nowhere")
    assert "the engine sphinx knows only English" in said
    assert "hello this is a short test of speech recognition" in said


def demo(tmp_path: Path, models: Path) -> str:
    """Run as make runs it, but by this Python, which has all that make would install first."""
    [recipe] = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.endswith("scripts.demo")]
    assert recipe.strip() == "@exec $(bin)/python -m scripts.demo"
    # Settings of whoever runs the demo, even bad ones, are no settings of the demo's service.
    environment = (
        os.environ
        | {"MODELS": str(models)}
        | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "DICTOGRAPH_ENGINE": "x"}
    )
    done = subprocess.run(
        [sys.executable, "-m", "scripts.demo"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_DEMO_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All well" in done.stdout
    assert list(tmp_path.iterdir()) == []
    return done.stdout
