"""What tests of several contracts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service import TINY, Service, service


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a real Whisper that knows digits, for all who only use it."""
    with service(tmp_path_factory.mktemp("digits"), engine="whisper", model=TINY, extra_engines="") as one:
        yield one.wait_until_ready()
