"""The parent's side of an engine process: windows in, results out, every failure a named error."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, TypeVar

from dictograph.child.frames import MAX_BODY, Frame
from dictograph.child.process import (
    Child,
    ChildFailed,
    ChildFailure,
    ChildOutOfMemory,
    ChildSpec,
    ChildTimeout,
)
from dictograph.child.sandbox.policy import Mode, open_to_read
from dictograph.engine.codec import capabilities_from_dict, pack_windows, spec_as_dict
from dictograph.engine.gpu import has_gpu
from dictograph.engine.protocol import (
    MAX_WINDOW_S,
    SAMPLE_RATE,
    Capabilities,
    EngineSpec,
    Window,
    WindowOptions,
    WindowResult,
)
from dictograph.engine.result_validation import result_from_dict, within
from dictograph.errors import (
    DictographError,
    EngineCrashed,
    EngineFailed,
    EngineOutOfMemory,
    EngineTimeout,
    ModelOutOfReach,
    ModelUnavailable,
    UnsupportedByEngine,
)

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: The most windows that one request may carry, so that its body is never over the frame's limit.
MAX_WINDOWS = MAX_BODY // int(MAX_WINDOW_S * SAMPLE_RATE * 2)

_BY_CODE: Mapping[str, type[DictographError]] = {
    error.code: error for error in (ModelUnavailable, UnsupportedByEngine, EngineFailed, EngineOutOfMemory)
}


#: The spectrogram is a product of matrices by numpy's BLAS, whose sums differ in the last bit with the number of its
#: threads: with one, a machine with more cores gets the same. It takes some milliseconds of a window's second.
_SAME_SUMS = {"OPENBLAS_NUM_THREADS": "1"}

#: The memory of a window is allocated and freed many times a second, tens of megabytes at once. glibc has a heap for
#: each thread, cannot hold blocks of that size in any but the first, and fetches them from the kernel page by page each
#: time. One heap for all, in large pages, keeps them: with a `base` model on two cores a sixth of the time less, and
#: the memory does not creep up (glibc's manual, "Memory Allocation Tunables"; other libraries of C ignore it).
_ONE_HEAP = {"GLIBC_TUNABLES": "glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1"}


class EngineChild:
    """One loaded engine in its own process.

    After EngineCrashed, EngineTimeout and EngineOutOfMemory the process is gone (`alive` is False)
    and another has to be started; after the other errors it goes on.
    """

    def __init__(self, spec: EngineSpec, child: Child, capabilities: Capabilities) -> None:
        self.spec = spec
        self.capabilities = capabilities
        self._child = child

    @classmethod
    async def start(
        cls,
        spec: EngineSpec,
        memory_limit: int,
        load_timeout: float,
        environment: Mapping[str, str] | None = None,
        confined: Mode = "auto",
    ) -> EngineChild:
        """Start a process and load the engine in it.

        Args:
            spec: the engine to load.
            memory_limit: bytes of resident memory that the process may have; 0: no limit.
            load_timeout: seconds that loading may take.
            environment: variables for it beside the few that every child gets.
            confined: whether it loses the network, and may write in the folder of temporary files only.

        Raises:
            ModelUnavailable, EngineFailed, EngineCrashed, EngineTimeout, EngineOutOfMemory.
        """
        with _named(spec):
            child = await Child.start(
                ChildSpec(
                    name=f"{spec.name} engine",
                    module="dictograph.engine.host",
                    memory_limit=memory_limit,
                    environment={**_SAME_SUMS, **_ONE_HEAP, **(environment or {})},
                    sandbox=open_to_read(confined, (tempfile.gettempdir(),), devices=has_gpu()),
                )
            )
        try:
            with _named(spec):
                answer = await child.call(Frame({"op": "load", "spec": spec_as_dict(spec)}), timeout=load_timeout)
                capabilities = capabilities_from_dict(answer.header["capabilities"])
        except BaseException:
            await child.kill()
            raise
        return cls(spec, child, capabilities)

    @property
    def alive(self) -> bool:
        return self._child.alive

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def peak_memory(self) -> int:
        """The highest resident memory that was measured for the process, in bytes."""
        return self._child.peak_memory

    async def transcribe(self, windows: Sequence[Window], options: WindowOptions, timeout: float) -> list[WindowResult]:
        """Return a result for each of at most MAX_WINDOWS windows, in order, within `timeout` seconds.

        Raises:
            UnsupportedByEngine, EngineFailed, EngineCrashed, EngineTimeout, EngineOutOfMemory.
        """
        frames = await self._ask({"op": "transcribe", "options": asdict(options)}, windows, timeout)
        with _named(self.spec):
            results = [result_from_dict(shape) for frame in frames for shape in frame.header["results"]]
            self._lower_max_batch(max([1, *(int(frame.header["max_batch"]) for frame in frames[-1:])]))
        counted = self._counted(results, windows)
        return [within(result, window) for result, window in zip(counted, windows, strict=True)]

    async def detect(self, windows: Sequence[Window], timeout: float) -> list[dict[str, float]]:
        """Return the probability of every language, by code, for each window."""
        frames = await self._ask({"op": "detect"}, windows, timeout)
        with _named(self.spec):
            found = [
                {str(code): float(probability) for code, probability in shape.items()}
                for frame in frames
                for shape in frame.header["probabilities"]
            ]
        return self._counted(found, windows)

    async def prepare(self, windows: Sequence[Window], timeout: float) -> None:
        """Prepare these windows before they are transcribed; only for engines with a `prefetch_batch`.

        Raises:
            EngineFailed, EngineCrashed, EngineTimeout, EngineOutOfMemory.
        """
        await self._ask({"op": "prepare"}, windows, timeout)

    async def ping(self, timeout: float) -> None:
        """Return if the process answers: it lives, though its native code may be stuck in the next request."""
        with _named(self.spec):
            await self._child.call(Frame({"op": "ping"}), timeout=timeout)

    async def close(self) -> None:
        """End the process; give it a moment to end by itself."""
        await self._child.close()

    async def kill(self) -> None:
        """End the process now."""
        await self._child.kill()

    async def _ask(self, header: dict[str, Any], windows: Sequence[Window], timeout: float) -> list[Frame]:
        if len(windows) > MAX_WINDOWS:
            raise ValueError(f"{len(windows)} windows are more than one request carries ({MAX_WINDOWS})")
        listed, body = pack_windows(windows)
        with _named(self.spec):
            request = Frame({**header, "windows": listed}, body)
            return [frame async for frame in self._child.stream(request, timeout=timeout)]

    def _lower_max_batch(self, max_batch: int) -> None:
        """Lower the largest batch of the engine, after a batch did not fit into the memory."""
        before = self.capabilities.max_batch
        if max_batch < before:
            self.capabilities = replace(self.capabilities, max_batch=max_batch)
            log.warning(
                "engine %s %s: %d windows at once are too many for the memory; it does %d at once until it is loaded "
                "anew (DICTOGRAPH_BATCH_SIZE=%d would have it begin so)",
                self.spec.name, self.spec.model, before, max_batch, max_batch,
            )  # fmt: skip

    def _counted(self, answers: list[Answer], windows: Sequence[Window]) -> list[Answer]:
        if len(answers) != len(windows):
            raise EngineFailed(
                f"The engine {self.spec.name} gave {len(answers)} answers for {len(windows)} windows: "
                "this is a fault of the engine."
            )
        return answers


@contextmanager
def _named(spec: EngineSpec) -> Iterator[None]:
    """Turn failures of a child into the errors that people and clients know."""
    try:
        yield
    except ChildFailure as failure:
        raise _error(spec, failure) from failure
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EngineFailed(
            f"The engine {spec.name} answered in a form that cannot be understood ({error!r}): "
            "this is a fault of the engine."
        ) from error


def _error(spec: EngineSpec, failure: ChildFailure) -> DictographError:
    engine = f"engine {spec.name}" + (f" with the model {spec.model}" if spec.model else "")
    match failure:
        case ChildFailed(code=ModelUnavailable.code) if spec.device != "cpu":
            return ModelOutOfReach(failure.detail)  # a GPU that refuses a model now may take it later
        case ChildFailed(code=code):
            return _failure(engine, code, failure.detail)
        case ChildOutOfMemory():
            return EngineOutOfMemory(
                f"The {engine} ran out of memory ({failure.detail}). Use a smaller model or batch size, "
                "or allow it more memory (DICTOGRAPH_ENGINE_MEMORY)."
            )
        case ChildTimeout():
            return EngineTimeout(
                f"The {engine} gave no answer in time ({failure.detail}); its process was ended. If the machine "
                "is just slow, allow more time (DICTOGRAPH_ENGINE_TIMEOUT)."
            )
        case _:
            return EngineCrashed(f"The {engine} died while it was working: {failure.detail}.")


def _failure(engine: str, code: str, detail: str) -> DictographError:
    kind = _BY_CODE.get(code, EngineFailed)
    if kind in (ModelUnavailable, UnsupportedByEngine):
        return kind(detail)  # the engine wrote it for a person
    return kind(f"The {engine} reported an error: {detail}")
