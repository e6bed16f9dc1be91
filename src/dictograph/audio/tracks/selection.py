"""Say which tracks and channels of a file a job wants. Pure, and read by the parent and by the decoder child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: How many channels or tracks may be transcribed side by side, and how many tracks may be mixed.
MAX_SIDE_BY_SIDE: Final = 8
MAX_MIXED: Final = 16

ALL: Final = "all"
EACH: Final = "each"
MIX: Final = "mix"
SPLIT: Final = "split"
LEFT: Final = "left"
RIGHT: Final = "right"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted of a file.

    `track` is a number (1 is the first audio track), a language, `all`, `each`, or None: the best one. `channels` is
    `mix`, `split`, `left`, `right`, or a number.
    """

    track: str | None = None
    channels: str = MIX

    @property
    def side_by_side(self) -> bool:
        """Return whether several channels or tracks are transcribed one beside the other."""
        return self.track == EACH or self.channels == SPLIT

    @property
    def max_outputs(self) -> int:
        """Return how many files of samples the decoder may need."""
        if self.side_by_side:
            return MAX_SIDE_BY_SIDE
        return MAX_MIXED if self.track == ALL else 1

    @property
    def channel(self) -> int | None:
        """Return the one channel that is wanted, from 0; None for all of them."""
        if self.channels in (MIX, SPLIT):
            return None
        return {LEFT: 0, RIGHT: 1}[self.channels] if self.channels in (LEFT, RIGHT) else int(self.channels) - 1
