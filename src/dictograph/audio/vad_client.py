"""The parent's side of the speech detector: one process for all jobs, replaced when it dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dictograph.audio.pcm import Mixed, read_at_most
from dictograph.audio.vad import BLOCK_SAMPLES, MAX_BLOCKS, MAX_LISTENED, Listened, ListenRequest, VadState
from dictograph.child.frames import SMALL_HEADER, Frame, Largest
from dictograph.child.process import Child, ChildCrashed, ChildFailed, ChildFailure, ChildSpec
from dictograph.child.sandbox.missing_layers import tell
from dictograph.child.sandbox.policy import Mode, sealed
from dictograph.errors import DecodeError, ListenerFailed, SandboxUnavailable

__all__ = ["VadClient", "VadState", "voice_detector"]

_MEMORY = 512 * 2**20

#: A request is 0.1 s of work; the rest is for a machine that is busy, and for starting the process.
_TIMEOUT_S = 60.0

#: Its priority: it works ahead of the engine, so neither should have to wait long for the other.
_NICE = 5


def voice_detector(confined: Mode, folder: Path | None = None) -> ChildSpec:
    """Return how to start the speech detector; its files are in `folder`, by default that of temporary files."""
    sandbox = sealed(confined, memory=_MEMORY)
    return ChildSpec(
        "voice detector",
        "dictograph.audio.vad_child",
        folder=folder,
        memory_limit=_MEMORY,
        sandbox=sandbox,
        largest=Largest(SMALL_HEADER, MAX_LISTENED),
    )


_SPEC = voice_detector("auto")


class VadClient:
    """Calls the speech detector. Any number of jobs may do so at once: a request has about a minute of audio."""

    def __init__(self, spec: ChildSpec = _SPEC, timeout: float = _TIMEOUT_S) -> None:
        self._spec = spec
        self._timeout = timeout
        self._child: Child | None = None
        self._closed = asyncio.Event()
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start the process now, so that the first job need not wait for it. Raises ListenerFailed."""
        self._closed.clear()
        async with self._turn:
            try:
                await self._running()
            except ChildFailure as error:
                raise ListenerFailed(f"The voice detector cannot be started: {error.detail}.") from error

    async def close(self) -> None:
        """End the process, without waiting for its work: the callers get a ListenerFailed."""
        self._closed.set()
        if self._child is not None:
            await self._child.close()

    async def probabilities(
        self, pcm: Path | Mixed, first_block: int, blocks: int, state: VadState | None
    ) -> tuple[NDArray[np.float32], VadState]:
        """The probability of speech in each of `blocks` blocks of 512 samples, and the state after them.

        Args:
            pcm: a file of mono 16 kHz s16le samples, or several that are mixed.
            first_block: where to begin.
            blocks: how many. One that the file holds in part is filled up with zeros, so as long as
                the file grows, ask only for whole ones.
            state: what the call for the blocks before gave; None before block 0.

        Raises:
            ListenerFailed: the process failed twice at the same request, or could not do it, or the
                listener was closed.
            SandboxUnavailable: the process cannot be confined as it has to be.
        """
        state = state or VadState.fresh()
        found = [np.empty(0, np.float32)]
        for done in range(0, blocks, MAX_BLOCKS):
            first, count = first_block + done, min(MAX_BLOCKS, blocks - done)
            request = ListenRequest(await asyncio.to_thread(_samples, pcm, first, count), state)
            answer = await self._detect(request)
            found.append(answer.probabilities)
            state = answer.state
        return np.concatenate(found), state

    async def _detect(self, request: ListenRequest) -> Listened:
        # The second try is made under the same lock: a request that kills its process twice must not
        # take the process away from another job that waits.
        async with self._turn:
            try:
                return await self._ask(request)
            except ChildFailed as error:
                raise _refusal(error) from error
            except ChildFailure:
                return await self._ask_again(request)

    async def _ask_again(self, request: ListenRequest) -> Listened:
        try:
            return await self._ask(request)
        except ChildFailure as error:
            raise ListenerFailed(f"The voice detector failed twice: {error.detail}.") from error

    async def _ask(self, request: ListenRequest) -> Listened:
        child = await self._running()
        answer = await child.call(request.frame(), timeout=self._timeout)
        tell(child.lacks)
        try:
            return _understood(answer, request)
        except ChildCrashed:
            await child.kill()
            raise

    async def _running(self) -> Child:
        if self._child is not None and self._child.alive and not self._closed.is_set():
            return self._child
        if not self._closed.is_set():
            self._child = child = await Child.start(self._spec)
            child.lower_priority(_NICE)
            if not self._closed.is_set():
                return child
            await child.close()  # `close` ran before this process was known
        raise ListenerFailed("The voice detector is closed.")


def _understood(answer: Frame, request: ListenRequest) -> Listened:
    try:
        result = Listened.from_frame(answer)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ChildCrashed("its answer cannot be understood") from error
    if (
        len(result.probabilities) != -(-len(request.samples) // BLOCK_SAMPLES)
        or not np.isfinite(result.probabilities).all()
    ):
        raise ChildCrashed("its answer is not one to the question")
    return result


def _refusal(error: ChildFailed) -> DecodeError:
    if error.code == SandboxUnavailable.code:
        return SandboxUnavailable(error.detail)
    return ListenerFailed(f"The voice detector could not listen to the audio: {error.detail}.")


def _samples(pcm: Path | Mixed, first: int, blocks: int) -> NDArray[np.int16]:
    """Return the samples of `blocks` blocks; the last one may be incomplete."""
    try:
        samples = read_at_most(pcm, first * BLOCK_SAMPLES, (first + blocks) * BLOCK_SAMPLES)
    except OSError as error:
        raise ListenerFailed(f"The voice detector could not listen to the audio: {error.strerror}.") from error
    if len(samples) <= (blocks - 1) * BLOCK_SAMPLES:
        raise ListenerFailed(
            f"The voice detector was asked too much: the samples end before block {first + blocks - 1}."
        )
    return samples
