"""Place decoded audio: turn time stamps into sample numbers of the original's time line. Pure.

Times come in seconds of the container's clock, positions go out in samples at 16 kHz. Audio that
follows where it should goes on seamlessly. A gap is reported, so that silence can fill it. Audio that overlaps
is to be dropped. A clock that jumps absurdly is ignored, and one that begins again is a new file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dictograph.audio_format import SAMPLE_RATE

#: A time stamp this far (s) from where the audio itself has come to is rounding or a codec's delay:
#: stamps of 1 ms (webm, asf, flv), one packet of encoder delay that nobody declared (AAC in mpegts:
#: 48 ms). Following those would put clicks into speech for nothing, and words are timed no better
#: than this. What adds up to more is corrected, so a lost packet of speech never goes unnoticed twice.
TOLERANCE_S = 0.06

#: After damage, packets are known to be missing, and a stamp is followed at once.
TOLERANCE_AFTER_DAMAGE_S = 0.01

#: A start or gap longer than this (s) is no silence: a cut from a live stream, or a clock that was set.
MAX_GAP_S = 3600.0

#: No recording is silent for longer than this (s) in all, plus the second number (s) for each second of sound.
#: A file that states more is a few kilobytes that would cause a day's work.
MAX_SILENCE_S = MAX_GAP_S
MAX_SILENCE_SHARE = 60.0

#: A stamp further back than this (s) is a clock that began again (files joined end to end), no overlap.
MAX_OVERLAP_S = 1.0

#: One this near (s) to where the clock began is as well, however short it ran: a packet of FLAC may lack its stamp.
BEGINNING_S = 0.15


class Move(Enum):
    """The relation of a frame to the audio before it."""

    FOLLOWS = "follows"
    AFTER_GAP = "after_gap"
    OVERLAPS = "overlaps"
    CLOCK_CHANGED = "clock_changed"


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a frame: `position` in samples at 16 kHz, and its relation to the audio before it.

    For OVERLAPS the position lies before the end of what is there already.
    """

    move: Move
    position: int


class Timeline:
    """Follows one stream of frames.

    Args:
        origin: the container's time, in seconds, that is time zero of the original; None: that of
            the first frame.
        stamped: whether the container stores time stamps. Where it stores none, FFmpeg counts
            packets: that tells how much was lost in damage, and nothing else.
    """

    def __init__(self, origin: float | None, *, stamped: bool = True) -> None:
        self._origin = origin
        self._stamped = stamped
        # The current run: frames that follow each other seamlessly. Its position is kept apart
        # from its length, so that rounding never adds up.
        self._start = 0
        self._seconds = 0.0
        self._begun = False
        self._first_stamp = float("-inf")  # of the clock that now runs, as far as it is known
        self._sound = 0.0
        self._silent = 0.0

    @property
    def position(self) -> int:
        """Where the next frame begins when it follows seamlessly, in samples."""
        return self._start + round(self._seconds * SAMPLE_RATE)

    def place(self, time: float | None, *, damaged: bool = False, by_next: float | None = None) -> Place:
        """Return the place of a frame that the container stamped with `time` seconds (None: not stamped).

        `damaged`: audio just before it was lost. `by_next` is the time at which the frame begins by the stamp of
        the next one, if that is known: if the frame follows by that stamp, its own stamp is wrong.
        """
        here = self.position
        if time is None:
            self._begun = True
            return Place(Move.FOLLOWS, here)
        if not self._begun:
            return self._first(time)
        if self._origin is None:
            self._first_stamp = time
        if self._origin is None or not (self._stamped or damaged):
            self._origin = time - here / SAMPLE_RATE
        expected = self._origin + here / SAMPLE_RATE
        tolerance = TOLERANCE_AFTER_DAMAGE_S if damaged else TOLERANCE_S
        if any(stamp is not None and abs(stamp - expected) <= tolerance for stamp in (time, by_next)):
            return Place(Move.FOLLOWS, here)
        drift = time - expected
        if self._begins_again(time, drift) or not self._may_be_silent(drift):
            self._origin, self._first_stamp = self._origin + drift, time
            return Place(Move.CLOCK_CHANGED, here)
        self._silent += max(0.0, drift)
        target = max(0, round((time - self._origin) * SAMPLE_RATE))
        return self._restart(Move.AFTER_GAP if drift > 0 else Move.OVERLAPS, target)

    def join(self) -> None:
        """Record that another file follows, with a clock of its own: its first frame goes on here."""
        self._origin = None

    def advance(self, seconds: float) -> None:
        """Record that a frame of `seconds` was taken at the current position."""
        self._seconds += seconds
        self._sound += seconds

    def _first(self, time: float) -> Place:
        self._begun, self._first_stamp = True, time
        if self._origin is None:
            self._origin = time
        offset = time - self._origin
        if not (offset >= 0 and self._may_be_silent(offset)):
            self._origin, offset = time, 0.0
        self._silent += offset
        position = round(offset * SAMPLE_RATE)
        return self._restart(Move.AFTER_GAP if position else Move.FOLLOWS, position)

    def _begins_again(self, time: float, drift: float) -> bool:
        """Return whether the clock was set back: far, or to where it began, even after a short time."""
        return drift < -MAX_OVERLAP_S or (drift < 0 and time <= self._first_stamp + BEGINNING_S)

    def _may_be_silent(self, gap: float) -> bool:
        return gap <= min(MAX_GAP_S, MAX_SILENCE_S + MAX_SILENCE_SHARE * self._sound - self._silent)

    def _restart(self, move: Move, position: int) -> Place:
        self._start, self._seconds = position, 0.0
        return Place(move, position)
