"""The engine's process: `python -m dictograph.engine.host` loads one engine and gives it windows.

Requests, all with `op`: `load` {spec} answers {capabilities}; `transcribe` {options, windows} answers
one frame {results: [one]} for each window, in order, and {results: [], max_batch} last, which may be less
than in the answer to `load`; `detect` {windows} answers {probabilities};
`prepare` {windows} answers {} (only engines whose capabilities say so are asked);
`ping` answers {}. The samples of all windows are the request's body, int16 little-endian.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import cast

from dictograph.child.frames import Frame
from dictograph.child.loop import ChildError, serve
from dictograph.engine.codec import capabilities_as_dict, options_from_dict, spec_from_dict, unpack_windows
from dictograph.engine.memory import out_of_memory, release_memory
from dictograph.engine.protocol import Engine, EngineSpec, Preparing
from dictograph.errors import DictographError, EngineFailed, ModelUnavailable

_MESSAGE_LENGTH = 1000


class Host:
    """Holds the engine, and answers one request at a time."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def handle(self, request: Frame) -> Iterator[Frame]:
        """Yield the frames that answer a request. Raises a ChildError with a stable code."""
        answer = {
            "load": self._load,
            "transcribe": self._transcribe,
            "detect": self._detect,
            "prepare": self._prepare,
            "ping": _ping,
        }.get(str(request.header.get("op")))
        if answer is None:
            raise ChildError(EngineFailed.code, f"{request.header.get('op')!r} is no request to an engine")
        try:
            yield from answer(request)
        except (ChildError, MemoryError):
            raise
        except DictographError as error:
            raise ChildError(error.code, error.message) from error
        except Exception as error:
            raise _child_error(error) from error

    def _load(self, request: Frame) -> Iterator[Frame]:
        spec = spec_from_dict(request.header["spec"])
        self._engine = factory_of(spec)(spec)
        yield Frame({"capabilities": capabilities_as_dict(self._engine.capabilities)})

    def _transcribe(self, request: Frame) -> Iterator[Frame]:
        options = options_from_dict(request.header["options"])
        engine = self._loaded()
        results = engine.transcribe(unpack_windows(request.header["windows"], request.body), options)
        for result in results:
            yield Frame({"results": [result.as_dict()]})
        yield Frame({"results": [], "max_batch": engine.capabilities.max_batch})
        release_memory()

    def _detect(self, request: Frame) -> Iterator[Frame]:
        windows = unpack_windows(request.header["windows"], request.body)
        yield Frame({"probabilities": list[dict[str, float]](self._loaded().detect(windows))})

    def _prepare(self, request: Frame) -> Iterator[Frame]:
        engine = cast("Preparing", self._loaded())
        engine.prepare(unpack_windows(request.header["windows"], request.body))
        yield Frame({})

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise ChildError(EngineFailed.code, "no engine has been loaded in this process")
        return self._engine


def factory_of(spec: EngineSpec) -> Callable[[EngineSpec], Engine]:
    """Return the callable that makes the engine. Raises ModelUnavailable when there is none of that name."""
    module, _, name = spec.factory.partition(":")
    try:
        factory = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelUnavailable(f"The engine {spec.name} cannot be imported from {spec.factory!r}: {error}.") from error
    return cast("Callable[[EngineSpec], Engine]", factory)


def _child_error(error: Exception) -> ChildError:
    traceback.print_exc(file=sys.stderr)
    message = f"{type(error).__name__}: {error}"[:_MESSAGE_LENGTH]
    return ChildError("out_of_memory" if out_of_memory(error) else EngineFailed.code, message)


def _ping(_request: Frame) -> Sequence[Frame]:
    return (Frame({}),)


if __name__ == "__main__":
    sys.exit(serve(Host().handle))
