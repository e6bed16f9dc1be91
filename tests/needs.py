"""Programs that some tests need: without them a test is skipped on a desk, and fails where everything is to be run."""

from __future__ import annotations

import os
import shutil

import pytest


def need(program: str) -> str:
    """The path of an installed program; else the test is skipped, or fails where `CI` is set."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
