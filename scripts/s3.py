"""The S3 server that `scripts/s3-server` builds."""

from __future__ import annotations

from pathlib import Path

_TOOLS = Path(__file__).resolve().parent.parent / ".tools"


def find_server() -> Path | None:
    """Return the program of the S3 server; None if it was not built."""
    return next(iter(sorted(_TOOLS.glob("versitygw-v*"), reverse=True)), None)
