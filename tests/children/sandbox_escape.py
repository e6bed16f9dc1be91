"""`python -m tests.children.sandbox_escape FOLDER LAYERS ATTEMPTS`: let the thief loose as whoever runs this.

It is forked, as every decoder is where the system can do that.

LAYERS is "auto" (what every decoder has), or the names of the layers to put on, with commas. Prints what came of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dictograph.audio.decoder_client import Decoded, DecodeLimits, decode, forks_of_decoders
from dictograph.child.sandbox.policy import Layer, Sandbox


@dataclass(frozen=True, slots=True)
class _Limits(DecodeLimits):
    layers: frozenset[Layer] = frozenset(Layer)

    def sandbox(self) -> Sandbox | None:
        usual = DecodeLimits.sandbox(self)
        assert usual is not None
        return replace(usual, layers=self.layers)


_THIEF = "tests.children.sandbox_escape_child"


async def rob(folder: Path, layers: str, attempts: Sequence[Sequence[str]], *, forked: bool = True) -> dict[str, str]:
    """What came of the attempts, in a decoder's process that has these layers."""
    (folder / "source").write_text(json.dumps(attempts))
    limits = DecodeLimits(60, 2**28, 60)
    if layers != "auto":
        limits = _Limits(60, 2**28, 60, layers=frozenset(map(Layer, layers.split(","))))
    came: dict[str, str] = {}
    fork_server = forks_of_decoders("auto", _THIEF) if forked else None
    try:
        async for step in decode(folder / "source", folder / "pcm", limits, module=_THIEF, fork_server=fork_server):
            if isinstance(step, Decoded):
                came = json.loads(step.codec)
    finally:
        if fork_server is not None:
            await fork_server.close()
    return came


if __name__ == "__main__":
    print(json.dumps(asyncio.run(rob(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])))))
