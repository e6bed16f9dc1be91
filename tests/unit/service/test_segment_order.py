from __future__ import annotations

from dictograph.service.segment_order import SegmentOrder, in_order
from dictograph.store.jobs.progress import StoredWindow


def window(index: int, channel: int | None, *starts: float) -> StoredWindow:
    segments = [{"start": start, "end": start + 1, "text": f"{start:g}", "channel": channel} for start in starts]
    return StoredWindow(index, starts[0], starts[-1] + 1, "", {"segments": segments}, (), channel)


CALL = [window(0, 1, 0, 8, 20), window(1, 2, 3, 9, 25), window(2, 1, 22, 40), window(3, 2, 30)]


def test_segments_of_overlapping_windows_come_by_their_start() -> None:
    assert [segment.start for segment in in_order(CALL)] == [0, 3, 8, 9, 20, 22, 25, 30, 40]


def test_what_no_later_window_can_precede_is_not_held_back() -> None:
    order = SegmentOrder()
    given = [[segment.start for segment in order.add(one)] for one in CALL]
    assert given == [[], [0], [3, 8, 9, 20], [22, 25]]
    assert [segment.start for segment in order.rest()] == [30, 40]


def test_without_channels_segments_stay_as_their_windows_have_them() -> None:
    windows = [window(0, None, 0, 5, 4), window(1, None, 3)]
    order = SegmentOrder()
    assert [[segment.start for segment in order.add(one)] for one in windows] == [[0, 5, 4], [3]]
