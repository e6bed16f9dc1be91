"""What a decoder has to say about a file: damage with its times, clocks that jumped, an early end."""

from __future__ import annotations

from dataclasses import dataclass

from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.transcript import Warning as Notice

#: Damage closer together than this (in samples) is told as one.
_JOIN = SAMPLE_RATE

#: More warnings of one kind help nobody.
_MAX_OF_A_KIND = 20


@dataclass(slots=True)
class _Range:
    start: int
    end: int


class Notes:
    """Collects warnings while decoding. Positions are in samples of the original's time line."""

    def __init__(self) -> None:
        self._damage: list[_Range] = []
        self._more_damage = 0
        self._open_since: int | None = None
        self._jumps: list[int] = []
        self._more_jumps = 0

    @property
    def damaged(self) -> bool:
        """Whether the last thing that came was damage."""
        return self._open_since is not None

    def damage(self, position: int) -> None:
        """Something could not be decoded here."""
        if self._open_since is None:
            self._open_since = position

    def sound(self, position: int) -> None:
        """Here there is audio again."""
        if self._open_since is None:
            return
        self._add_damage(self._open_since, max(self._open_since, position))
        self._open_since = None

    def clock_changed(self, position: int) -> None:
        """The time stamps jumped here, and were not followed."""
        if len(self._jumps) < _MAX_OF_A_KIND:
            self._jumps.append(position)
        else:
            self._more_jumps += 1

    def finish(self, samples: int, missing: str | None) -> list[Notice]:
        """All warnings of a file of `samples`. `missing` says in words what its end lacks, if anything."""
        warnings = [_damage_warning(damage) for damage in self._damage]
        if self._more_damage:
            text = f"The audio is damaged in {self._more_damage} further places."
            warnings.append(Notice("damaged_audio", text))
        warnings += [_jump_warning(jump) for jump in self._jumps]
        if self._more_jumps:
            text = f"The file's clock jumps in {self._more_jumps} further places."
            warnings.append(Notice("timestamps_ignored", text))
        if missing is None and self.damaged:
            missing = "what follows could not be decoded"
        if missing is not None:
            end = round(samples / SAMPLE_RATE, 3)
            warnings.append(Notice("truncated_audio", f"The audio breaks off at {_clock(samples)}: {missing}.", end))
        return warnings

    def _add_damage(self, start: int, end: int) -> None:
        if self._damage and start - self._damage[-1].end <= _JOIN:
            self._damage[-1].end = end
        elif len(self._damage) < _MAX_OF_A_KIND:
            self._damage.append(_Range(start, end))
        else:
            self._more_damage += 1


def _damage_warning(damage: _Range) -> Notice:
    start, end = round(damage.start / SAMPLE_RATE, 3), round(damage.end / SAMPLE_RATE, 3)
    text = f"The audio is damaged between {_clock(damage.start)} and {_clock(damage.end)}; words there may be missing."
    return Notice("damaged_audio", text, start, end)


def _jump_warning(position: int) -> Notice:
    text = f"The file's clock jumps at {_clock(position)}; the audio was taken to go on without a gap."
    return Notice("timestamps_ignored", text, round(position / SAMPLE_RATE, 3))


def _clock(position: int) -> str:
    minutes, seconds = divmod(round(position / SAMPLE_RATE, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:04.1f}"
