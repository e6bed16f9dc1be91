"""Which layers hold on this machine, found by trying: a process for each, which has that layer alone."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dictograph.child.frames import Frame
from dictograph.child.process import Child, ChildSpec, ChildTrouble
from dictograph.child.sandbox.policy import Layer, Mode, Sandbox, sealed

log = logging.getLogger(__name__)

_MODULE = "dictograph.child.sandbox.trial_child"
_MEMORY = 2**28
_TIMEOUT_S = 60.0


async def why_not(layer: Layer) -> str:
    """Why a layer does not hold on this machine, found by trying; "" when it does."""
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        file, root = sys.executable, os.geteuid() == 0
        alone = replace(_everything(), layers=frozenset({layer}))
        try:
            answer = await _ask({"try": layer, "port": port, "file": file, "root": root}, alone)
        except ChildTrouble as trouble:
            return trouble.detail
    if layer in answer["missing"]:
        return str(answer["missing"][layer])
    return f"a process could {' and '.join(answer['done'])}" if answer["done"] else ""


async def warn(mode: Mode) -> None:
    """Say in the log what the children of this machine lack."""
    if not log.isEnabledFor(logging.WARNING):
        return
    if mode == "off":
        log.warning(
            "DICTOGRAPH_SANDBOX is off: whoever sends a file that takes over a decoder has all rights of this service"
        )
        return
    try:
        missing: Mapping[str, str] = (await _ask({}, _everything()))["missing"]
    except ChildTrouble as trouble:
        log.warning("whether children can be confined is not known: %s", trouble.detail)
        return
    for layer, reason in missing.items():
        log.warning("children are confined without %s: %s (`dictograph doctor` says what to do)", layer, reason)


async def _ask(request: Mapping[str, Any], sandbox: Sandbox) -> dict[str, Any]:
    child = await Child.start(ChildSpec("trial", _MODULE, sandbox=sandbox))
    try:
        return dict((await child.call(Frame(dict(request)), timeout=_TIMEOUT_S)).header)
    finally:
        await child.kill()


def _everything() -> Sandbox:
    sandbox = sealed("auto", memory=_MEMORY)
    assert sandbox is not None
    return sandbox
