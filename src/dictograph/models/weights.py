"""Fetch weights in a child process that reports its progress."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dictograph.child.frames import Frame
from dictograph.child.process import Child, ChildFailed, ChildFailure, ChildSpec
from dictograph.child.sandbox.policy import Mode, Sandbox, open_to_read
from dictograph.errors import ModelOutOfReach, ModelUnavailable
from dictograph.models.hf_cache import Cache, child_environment
from dictograph.models.listing import CannotFetch, CannotFetchNow

_MODULE = "dictograph.models.weights_child"
_START_S = 60.0
_SILENCE_S = 300.0  # there are no reports while some gigabytes on a slow disk are checked

#: How long the hub may take to answer before it counts as out of reach, in seconds.
PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a fetch, in bytes."""

    done: int
    total: int

    @property
    def part(self) -> float:
        """The part that is done, between 0 and 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


async def fetch(
    repository: str,
    cache: Cache,
    revision: str = "main",
    *,
    patience: float = PATIENCE_S,
    check: bool = False,
    confined: Mode = "auto",
) -> AsyncGenerator[Progress, None]:
    """Fetch a model's weights into the cache; afterwards `cache.snapshot(repository, revision)` has them.

    The first report comes when the hub has answered. If the caller stops iterating, the process ends; the next fetch
    goes on from there.

    Args:
        patience: seconds that the hub may take to answer.
        check: first compare the files here with the hub's checksums, and fetch damaged ones again.
        confined: whether the process may write in the cache and the folder of temporary files only.

    Raises:
        ModelUnavailable: the message gives the reason for a person; ModelOutOfReach if it may pass.
    """
    request: dict[str, Any] = {
        "do": "fetch",
        "repository": repository,
        "revision": revision,
        "folder": str(cache.folder),
    }
    # The child gives up first, since it knows the reason; this limit is for a name server that hangs.
    request |= {"patience": 0.8 * patience, "check": check}
    made = await asyncio.to_thread(_make, cache.folder)
    try:
        child = await _start(open_to_read(confined, (str(cache.folder), tempfile.gettempdir()), online=True))
    except ChildFailure as error:
        raise ModelOutOfReach(f"fetching failed: {error.detail}") from error
    try:
        async with aclosing(child.stream(Frame(request), timeout=_SILENCE_S)) as frames:
            await _next(frames, _START_S, "the process that fetches weights did not start")
            listed = await _next(frames, patience, f"the hub did not answer within {patience:g} s")
            total = int(listed["total"])
            yield Progress(0, total)
            async for frame in frames:
                if frame.header["state"] == "fetching":
                    yield Progress(int(frame.header["done"]), total)
            yield Progress(total, total)
    except ChildFailed as error:
        if error.code == CannotFetch.code:
            raise ModelUnavailable(error.detail) from error
        reason = error.detail if error.code == CannotFetchNow.code else f"fetching failed: {error.detail}"
        raise ModelOutOfReach(reason) from error
    except ChildFailure as error:
        raise ModelOutOfReach(f"fetching failed: {error.detail}") from error
    finally:
        await child.kill()
        if made:
            with contextlib.suppress(OSError):  # something was fetched, so it stays
                await asyncio.to_thread(cache.folder.rmdir)


async def cuda_devices() -> int:
    """Return the number of GPUs that CTranslate2 can use; 0 when that cannot be found out."""
    try:
        child = await _start()
        try:
            answer = await child.call(Frame({"do": "cuda"}), timeout=_START_S)
        finally:
            await child.kill()
    except ChildFailure:
        return 0
    return int(answer.header.get("devices", 0))


async def _start(sandbox: Sandbox | None = None) -> Child:
    return await Child.start(ChildSpec("weights", _MODULE, environment=child_environment(), sandbox=sandbox))


def _make(folder: Path) -> bool:
    """Make the cache's folder; return whether it was missing.

    A confined process can only be allowed to write in a folder that exists.
    """
    try:
        folder.mkdir(parents=True)
    except OSError:  # it exists; or it cannot be made, which the process will report
        return False
    return True


async def _next(frames: AsyncIterator[Frame], seconds: float, otherwise: str) -> dict[str, Any]:
    try:
        async with asyncio.timeout(seconds):
            return (await anext(frames)).header
    except (TimeoutError, StopAsyncIteration) as error:
        raise ModelOutOfReach(otherwise) from error
