"""Collect the warnings about a file: damage with its times, clocks that jumped, an early end, unread bytes."""

from __future__ import annotations

from dictograph.audio_format import SAMPLE_RATE
from dictograph.transcript import JobWarning

#: Damage closer together than this (in samples) is reported as one.
_JOIN = SAMPLE_RATE

#: More warnings of one kind help nobody.
_MAX_OF_A_KIND = 20


class _Ranges:
    """Ranges of one kind, in order; close ones are joined, and only the first ones are kept."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, int]] = []
        self.more = 0

    def add(self, start: int, end: int) -> None:
        if self.kept and start - self.kept[-1][1] <= _JOIN:
            self.kept[-1] = (self.kept[-1][0], end)
        elif len(self.kept) < _MAX_OF_A_KIND:
            self.kept.append((start, end))
        else:
            self.more += 1

    def job_warnings(self, code: str, text: str, more: str) -> list[JobWarning]:
        """Return the warnings. `text` has {start} and {end}, `more` the {count} of those that were not kept."""
        warnings = [
            JobWarning(code, text.format(start=_clock(start), end=_clock(end)), _seconds(start), _seconds(end))
            for start, end in self.kept
        ]
        return [*warnings, JobWarning(code, more.format(count=self.more))] if self.more else warnings


class WarningCollector:
    """Collects warnings while decoding. Positions are in samples of the original's time line."""

    def __init__(self) -> None:
        self._damage, self._gaps, self._overlaps, self._jumps = _Ranges(), _Ranges(), _Ranges(), _Ranges()
        self._cancelled = _Ranges()
        self._open_since: int | None = None

    @property
    def damaged(self) -> bool:
        """Whether the last frame was damaged."""
        return self._open_since is not None

    def damage(self, position: int) -> None:
        """Record that audio could not be decoded here."""
        if self._open_since is None:
            self._open_since = position

    def sound(self, position: int) -> None:
        """Record that there is audio again here."""
        if self._open_since is None:
            return
        self._damage.add(self._open_since, max(self._open_since, position))
        self._open_since = None

    def gap(self, start: int, end: int) -> None:
        """Record that the file has no audio between two positions, though audio goes on behind them."""
        if self._open_since is None:
            self._gaps.add(start, end)

    def overlap(self, start: int, end: int) -> None:
        """Record that the next audio belongs, by its stamps, where audio is already, up to `end`; the first is kept."""
        if self._open_since is None:
            self._overlaps.add(start, end)

    def clock_changed(self, position: int) -> None:
        """Record that the time stamps jumped here, and were ignored."""
        self._jumps.add(position, position)

    def cancelled(self, start: int, end: int) -> None:
        """Record that the two channels cancel each other between two positions, and only the left one is read."""
        self._cancelled.add(start, end)

    def finish(self, samples: int, missing: str | None, *, unread: int = 0, more: bool = False) -> list[JobWarning]:
        """Return all warnings of a file of `samples`.

        `missing` says in words what the file lacks at its end, if anything; `unread` is the number of bytes behind
        those that were read, if they may be sound; `more`: sound behind the header's end was read.
        """
        warnings = [
            *self._damage.job_warnings(
                "damaged_audio",
                "The audio is damaged between {start} and {end}; words there may be missing.",
                "The audio is damaged in {count} further places.",
            ),
            *self._gaps.job_warnings(
                "missing_audio",
                "The file holds no audio between {start} and {end}; silence was taken for it.",
                "The file holds no audio in {count} further places.",
            ),
            *self._overlaps.job_warnings(
                "overlapping_audio",
                "By its times the file holds the audio between {start} and {end} twice; the second was left out.",
                "The file holds audio twice in {count} further places.",
            ),
            *self._jumps.job_warnings(
                "timestamps_ignored",
                "The file's clock jumps at {start}; the audio was taken to go on without a gap.",
                "The file's clock jumps in {count} further places.",
            ),
            *self._cancelled.job_warnings(
                "channels_cancel",
                "The two channels cancel each other between {start} and {end}: one of them is inverted. There only the "
                "left one was read.",
                "The two channels cancel each other in {count} further places.",
            ),
        ]
        if missing is None and self.damaged:
            missing = "what follows could not be decoded"
        if missing is not None:
            text = f"The audio breaks off at {_clock(samples)}: {missing}."
            warnings.append(JobWarning("truncated_audio", text, _seconds(samples)))
        if more:
            text = (
                "The file holds more sound than its header says; everything behind the header's end was taken for it."
            )
            warnings.append(JobWarning("header_ignored", text))
        if unread:
            text = f"The file's last {unread} bytes were not read: it may be several files joined, or its header wrong."
            warnings.append(JobWarning("unread_data", text, _seconds(samples)))
        return warnings


def _seconds(position: int) -> float:
    return round(position / SAMPLE_RATE, 3)


def _clock(position: int) -> str:
    minutes, seconds = divmod(round(position / SAMPLE_RATE, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:04.1f}"
