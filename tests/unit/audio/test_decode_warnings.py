from __future__ import annotations

from dictograph.audio.decode_warnings import WarningCollector

RATE = 16_000


def test_damage_close_together_is_one_range() -> None:
    notes = WarningCollector()
    for start in (10.0, 10.5, 11.0, 60.0):
        notes.damage(round(start * RATE))
        assert notes.damaged
        notes.sound(round((start + 0.1) * RATE))
        assert not notes.damaged
    found = [(w.code, w.start, w.end) for w in notes.finish(100 * RATE, None)]
    assert found == [("damaged_audio", 10.0, 11.1), ("damaged_audio", 60.0, 60.1)]


def test_damage_until_the_end_is_an_early_end_and_many_warnings_are_counted() -> None:
    notes = WarningCollector()
    for place in range(30):
        notes.damage(place * 10 * RATE)
        notes.sound(place * 10 * RATE)
        notes.clock_changed(place * 10 * RATE)
    notes.damage(300 * RATE)
    warnings = notes.finish(300 * RATE, None)
    assert [w.code for w in warnings] == ["damaged_audio"] * 21 + ["timestamps_ignored"] * 21 + ["truncated_audio"]
    assert "10 further places" in warnings[20].message
    assert warnings[-1].start == 300.0


def test_what_is_left_out_is_told_and_bounded() -> None:
    notes = WarningCollector()
    for place in range(30):
        notes.overlap(place * 10 * RATE, (place * 10 + 1) * RATE)
    notes.damage(400 * RATE)
    notes.overlap(399 * RATE, 400 * RATE)  # the damage says enough
    notes.sound(401 * RATE)
    warnings = notes.finish(500 * RATE, None, unread=7, more=True)
    codes = ["damaged_audio"] + ["overlapping_audio"] * 21 + ["header_ignored", "unread_data"]
    assert [w.code for w in warnings] == codes
    assert (warnings[1].start, warnings[1].end) == (0.0, 1.0)
    assert "10 further places" in warnings[21].message
    assert "last 7 bytes" in warnings[-1].message


def test_a_gap_is_told_unless_damage_explains_it() -> None:
    notes = WarningCollector()
    notes.gap(RATE, 2 * RATE)
    notes.damage(10 * RATE)
    notes.gap(10 * RATE, 12 * RATE)
    notes.sound(12 * RATE)
    found = [(w.code, w.start, w.end) for w in notes.finish(100 * RATE, None)]
    assert found == [("damaged_audio", 10.0, 12.0), ("missing_audio", 1.0, 2.0)]
