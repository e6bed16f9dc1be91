from __future__ import annotations

from dictograph.audio.plan import Span
from dictograph.worker.pipeline_window import PipelineWindow
from dictograph.worker.window_order import WindowOrder


def window(channel: int, start: int) -> PipelineWindow:
    return PipelineWindow(Span(start, start + 10), "", channel=channel)


def starts(windows: list[PipelineWindow]) -> list[tuple[int, int | None]]:
    return [(one.span.start, one.channel) for one in windows]


def test_windows_come_by_their_start_and_then_by_channel() -> None:
    order = WindowOrder()
    order.add([window(1, 0), window(1, 30)])
    order.add([window(2, 0), window(2, 20)])
    assert starts(order.ready(None)) == [(0, 1), (0, 2), (20, 2), (30, 1)]


def test_a_window_waits_until_no_channel_can_have_an_earlier_one() -> None:
    order = WindowOrder()
    order.add([window(1, 0), window(1, 30)])
    assert starts(order.ready(0)) == []
    assert starts(order.ready(30)) == [(0, 1)]
    order.add([window(2, 15)])
    assert starts(order.ready(31)) == [(15, 2), (30, 1)]
    assert order.ready(None) == []
