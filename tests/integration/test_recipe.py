"""The recipe of the tiny Whisper still works: each of its steps, in small."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from dictograph.engine.protocol import EngineSpec, Window, WindowOptions
from dictograph.engine.whisper import engine as whisper
from tests.needs import need

RECIPE = Path(__file__).parents[1] / "fixtures" / "tiny-whisper" / "recipe"
NEEDED = ("torch", "transformers", "scipy", "tokenizers")
MISSING = [name for name in NEEDED if find_spec(name) is None]


@pytest.mark.skipif(bool(MISSING), reason=f"the recipe needs {', '.join(MISSING)}")
@pytest.mark.slow
def test_a_model_is_trained_for_a_moment_converted_and_loaded_as_every_other(tmp_path: Path) -> None:
    need("espeak-ng")
    folder = Path(shutil.copytree(RECIPE, tmp_path / "recipe"))
    run(folder, "synth.py", "6", "3")
    run(folder, "train.py", "0.1")
    assert (folder / "hf" / "model.safetensors").stat().st_size > 1_000_000
    run(folder, "convert.py", "hf", "ct2")

    engine = whisper.load(
        EngineSpec(
            name="whisper",
            factory="dictograph.engine.whisper.engine:load",
            model="fresh",
            model_path=str(folder / "ct2"),
        )
    )
    assert {"en", "de"} <= engine.capabilities.languages
    assert engine.capabilities.detects_language
    noise = np.random.default_rng(1).integers(-3000, 3000, 2 * 16_000).astype(np.int16)
    (shares,) = engine.detect([Window(noise)])
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    (result,) = engine.transcribe([Window(noise)], WindowOptions(language="en", beam_size=1))
    assert all(0 <= segment.start <= segment.end <= 2 for segment in result.segments)


def run(folder: Path, script: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, script, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
