"""The wheel, installed where nothing of the checkout is, transcribes."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dictograph import __version__

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "src" / "dictograph" / "samples" / "hello.mp3"

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DICTOGRAPH_"))}
    environment |= {"HOME": str(cwd), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the source archive as `make dist` does."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (source,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    assert source.name == f"dictograph-{__version__}.tar.gz"
    return wheel


def test_the_wheel_has_everything_that_is_not_python(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    package = ROOT / "src" / "dictograph"
    wanted = [path.relative_to(package.parent) for path in package.rglob("*") if path.is_file()]
    missing = [str(path) for path in wanted if "__pycache__" not in path.parts and str(path) not in names]
    assert missing == []
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_an_installed_wheel_transcribes_outside_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    bin = tmp_path / "venv" / "bin"
    install = (bin / "python", "-m", "pip", "install", "--quiet", "--no-compile")  # Python compiles what it needs
    locked = ("--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements" / "run.lock")
    run(*install, *locked, cwd=tmp_path)
    run(*install, "--no-deps", "--no-index", wheel, cwd=tmp_path)
    assert run(bin / "dictograph", "--version", cwd=tmp_path) == f"dictograph, version {__version__}\n"
    text = run(bin / "dictograph", "transcribe", SAMPLE, "--engine", "sphinx", cwd=tmp_path)
    assert {"hello", "weather", "market", "bread", "milk"} <= set(text.lower().replace(",", "").split())
    assert str(tmp_path) in run(bin / "python", "-c", "import dictograph; print(dictograph.__file__)", cwd=tmp_path)
