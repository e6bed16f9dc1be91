"""The engine's process, without the process: requests, answers, and errors by their codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dictograph.child.frames import Frame
from dictograph.child.loop import ChildError
from dictograph.engine.codec import (
    capabilities_as_dict,
    capabilities_from_dict,
    pack_windows,
    spec_as_dict,
    spec_from_dict,
    unpack_windows,
)
from dictograph.engine.host import Host
from dictograph.engine.memory import AdaptiveBatcher
from dictograph.engine.protocol import Capabilities, EngineSpec, Window


def _host(way: str) -> Host:
    host = Host()
    spec = EngineSpec("bad", "tests.engines.bad:load", model=way)
    (answer,) = host.handle(Frame({"op": "load", "spec": spec_as_dict(spec)}))
    assert capabilities_from_dict(answer.header["capabilities"]) == Capabilities(frozenset({"en"}), max_batch=2)
    return host


def _code(host: Host, header: dict[str, Any], body: bytes = b"") -> str:
    with pytest.raises(ChildError) as caught:
        list(host.handle(Frame(header, body)))
    return caught.value.code


@pytest.mark.parametrize(
    ("way", "code"), [("raise", "engine_failed"), ("no-memory", "out_of_memory"), ("refuse", "unsupported_by_engine")]
)
def test_errors_have_codes(way: str, code: str) -> None:
    windows, body = pack_windows([Window(np.ones(4, np.int16))])
    request = {"op": "transcribe", "options": {"language": "en"}, "windows": windows}
    assert _code(_host(way), request, body) == code


def test_a_wrong_request_is_answered_and_not_died_of() -> None:
    assert _code(Host(), {"op": "sing"}) == "engine_failed"
    assert _code(Host(), {}) == "engine_failed"
    assert _code(Host(), {"op": "detect", "windows": []}) == "engine_failed"
    assert _code(_host("chatter"), {"op": "detect", "windows": [{"start": 0, "samples": 3}]}, b"ab") == "engine_failed"
    assert list(_host("chatter").handle(Frame({"op": "ping"}))) == [Frame({})]


def test_windows_survive_the_wire() -> None:
    windows = [Window(np.array([-32768, 0, 32767], np.int16), 1.5), Window(np.array([], np.int16)), Window(_ramp(7))]
    there = unpack_windows(*pack_windows(windows))
    assert [(w.start, w.samples.tolist()) for w in there] == [(w.start, w.samples.tolist()) for w in windows]


def test_specs_and_capabilities_survive_the_wire() -> None:
    spec = EngineSpec("a", "b:c", "d", "/e", "f", "cuda", "float16", 3, 4)
    assert spec_from_dict(spec_as_dict(spec)) == spec
    able = Capabilities(frozenset({"en", "de"}), frozenset({"translate"}), False, True, 8, frozenset({"prompt"}))
    assert capabilities_from_dict(capabilities_as_dict(able)) == able


def test_a_batch_too_large_for_the_memory_is_halved() -> None:
    sizes = []

    def work(part: Any) -> list[int]:
        sizes.append(len(part))
        if len(part) > 3:
            raise RuntimeError("CUDA failed with error out of memory")
        return [item * 10 for item in part]

    batches = AdaptiveBatcher(8)
    assert batches.run(work, list(range(9))) == [item * 10 for item in range(9)]
    assert sizes == [8, 4, 2, 2, 2, 2, 1]
    sizes.clear()
    batches.run(work, list(range(4)))
    batches.run(work, list(range(2)), at_most=1)
    assert sizes == [2, 2, 1, 1], "it forgot that four are too many"


def test_what_does_not_fit_alone_is_an_error_and_other_errors_are_not_retried() -> None:
    def no_memory(part: Any) -> list[int]:
        raise RuntimeError("out of memory")

    def broken(part: Any) -> list[int]:
        sizes.append(len(part))
        raise RuntimeError("wrong shape")

    sizes: list[int] = []
    with pytest.raises(RuntimeError, match="out of memory"):
        AdaptiveBatcher(2).run(no_memory, [1, 2, 3])
    with pytest.raises(RuntimeError, match="wrong shape"):
        AdaptiveBatcher(2).run(broken, [1, 2, 3])
    assert sizes == [2]


def _ramp(length: int) -> Any:
    return np.arange(length, dtype=np.int16)
