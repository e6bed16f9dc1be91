"""The decoder's process is started for each job: it loads what it needs, and nothing else."""

from __future__ import annotations

import subprocess
import sys


def test_it_starts_without_what_only_its_parent_needs() -> None:
    program = (
        "import sys, dictograph.audio.decoder_child\n"
        "print(*sorted({'numpy', 'asyncio', 'pydantic', 'sqlalchemy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
