"""Tests which layers hold on this machine, with one process for each layer, which has only that layer."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dictograph.child.frames import Frame
from dictograph.child.process import Child, ChildFailure, ChildSpec
from dictograph.child.sandbox.missing_layers import tell
from dictograph.child.sandbox.policy import Layer, Mode, Sandbox, sealed

log = logging.getLogger(__name__)

_MODULE = "dictograph.child.sandbox.self_test_child"
_MEMORY = 2**28
_TIMEOUT_S = 60.0


async def why_not(layer: Layer) -> str:
    """Return why a layer does not hold on this machine, found by trying; "" if it holds."""
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        file, root = sys.executable, os.geteuid() == 0
        alone = replace(_everything(), layers=frozenset({layer}))
        try:
            missing, done = await _ask({"try": layer, "port": port, "file": file, "root": root}, alone)
        except ChildFailure as trouble:
            return trouble.detail
    if layer in missing:
        return missing[layer]
    return f"a process could {' and '.join(done)}" if done else ""


async def warn(mode: Mode) -> None:
    """Log the layers that the children of this machine lack."""
    if not log.isEnabledFor(logging.WARNING):
        return
    if mode == "off":
        log.warning(
            "DICTOGRAPH_SANDBOX is off: whoever sends a file that takes over a decoder has all rights of this service"
        )
        return
    try:
        missing, _ = await _ask({}, _everything())
    except ChildFailure as trouble:
        log.warning("whether children can be confined is not known: %s", trouble.detail)
        return
    tell(missing)


async def _ask(request: Mapping[str, Any], sandbox: Sandbox) -> tuple[Mapping[str, str], list[str]]:
    """Return the layers that a process with this sandbox lacks, with the reasons; and what it could do nevertheless."""
    child = await Child.start(ChildSpec("trial", _MODULE, sandbox=sandbox))
    try:
        done = (await child.call(Frame(dict(request)), timeout=_TIMEOUT_S)).header["done"]
        return child.lacks, done
    finally:
        await child.kill()


def _everything() -> Sandbox:
    sandbox = sealed("auto", memory=_MEMORY)
    assert sandbox is not None
    return sandbox
