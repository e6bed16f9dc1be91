"""Read again where somebody speaks and the first reading has no words.

Whisper sometimes ends early, or leaves out a sentence in the middle, and is sure of the rest: no figure of its answer
shows it. The speech detector does. First the window is read with time stamps, and on from the last one: the model then
accounts for its time itself. What still has no words is cut out and read alone. A reading is taken only where less
speech is without words than before, so that nothing is lost and no loop is won. All of it depends on the window's
samples and spans alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dictograph.engine.coverage import TimeSpan, seconds, uncovered
from dictograph.engine.protocol import SAMPLE_RATE, Samples, Window
from dictograph.engine.whisper.fallback import Hypothesis
from dictograph.engine.whisper.model import Decoding, Speech
from dictograph.engine.whisper.reader import Reader, Reading
from dictograph.engine.whisper.slices import AudioSlice, Slicer, halves

#: How often what has no words is read alone, in ever smaller parts.
_ROUNDS = 3

#: A part longer than this (s) is cut in two when it has been read in vain.
_LONG_S = 5.0

#: Sound on both sides of speech that is cut out, in seconds.
_MARGIN_S = 0.2

#: The end of a window that is not worth reading on for, in seconds.
_REST_S = 1.0

#: Words are taken only if Whisper is as sure of them as this (mean log-probability): those of a reading with time
#: stamps, and those of a part of a window. Of speech it is surer, of five pieces of hold music less sure (with `base`:
#: −0.7 at worst, −1.1 at best). The probability that nobody speaks was only 0.2 on that music, so it is no help here; a
#: window in which the first reading found nobody has only its parts read again.
_SURE_STAMPED, _SURE_PART = -0.9, -1.0


class SecondReading:
    """Improves the first readings of windows."""

    def __init__(self, reader: Reader, slicer: Slicer) -> None:
        self._reader = reader
        self._slicer = slicer

    def improved(
        self,
        windows: Sequence[Window],
        slices: Sequence[AudioSlice],
        first: Sequence[Reading],
        speech: Speech,
        ways: Sequence[Decoding],
    ) -> list[Reading]:
        """Return for each window its first reading, or one with words for more of its speech."""
        readings = list(first)
        lacking = [index for index, window in enumerate(windows) if _missing(window, readings[index])]
        begun = [index for index in lacking if readings[index].words]
        for index, reading in zip(begun, self._on_stamps([slices[i] for i in begun], speech, ways), strict=True):
            if _missing_seconds(windows[index], reading) < _missing_seconds(windows[index], readings[index]):
                readings[index] = reading
        for index in lacking:
            readings[index] = self._filled(windows[index], readings[index], speech, ways)
        return readings

    def _on_stamps(self, slices: Sequence[AudioSlice], speech: Speech, ways: Sequence[Decoding]) -> list[Reading]:
        """Read each slice with time stamps, and what lies behind the last stamp without."""
        stamped = self._reader.decode_once(slices, speech, replace(ways[0], stamps=True))
        hypotheses = [_until_last_stamp(hypothesis) for hypothesis in stamped]
        rests = [(n, rest) for n, one in enumerate(hypotheses) if (rest := _rest(slices[n], one)) is not None]
        parts = self._slicer.slices([rest for _, (rest, _) in rests], [start for _, (_, start) in rests])
        for (n, _), more in zip(rests, self._reader.decode(parts, speech, ways, cut=False), strict=True):
            hypotheses[n] = hypotheses[n].followed_by(more)
        return [_sure(reading, _SURE_STAMPED) for reading in self._reader.timed(hypotheses, speech)]

    def _filled(self, window: Window, reading: Reading, speech: Speech, ways: Sequence[Decoding]) -> Reading:
        """Return the reading with words from the parts that had none, each read alone."""
        for turn in range(_ROUNDS):
            gaps = [_gap(span, reading, window) for span in _missing(window, reading)]
            if not gaps:
                break
            filled = reading
            for part in self._parts(window, gaps, cut=turn > 0):
                (more,) = self._reader.read([part], speech, ways, cut=False)
                filled = filled.with_more(_sure(more, _SURE_PART))
            if _missing_seconds(window, filled) >= _missing_seconds(window, reading) and turn > 0:
                break
            reading = filled
        return reading

    def _parts(self, window: Window, gaps: Sequence[TimeSpan], *, cut: bool) -> list[AudioSlice]:
        places = [(window.samples[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)], a) for a, b in gaps]
        whole = self._slicer.slices([samples for samples, _ in places], [start for _, start in places])
        if not cut:
            return whole
        smaller = [part for audio in whole for part in (halves(audio) if audio.seconds > _LONG_S else [])]
        short = [audio for audio in whole if audio.seconds <= _LONG_S]
        return [*short, *self._slicer.slices([samples for samples, _ in smaller], [start for _, start in smaller])]


def _missing(window: Window, reading: Reading) -> list[TimeSpan]:
    return uncovered(window.spans or (), ((word.start, word.end) for word in reading.words))


def _missing_seconds(window: Window, reading: Reading) -> float:
    return seconds(_missing(window, reading))


def _until_last_stamp(hypothesis: Hypothesis[AudioSlice]) -> Hypothesis[AudioSlice]:
    """Return the hypothesis for the sound that it accounts for."""
    ((audio, result),) = hypothesis.results
    if result.until is None or not 0 < result.until < audio.seconds - _REST_S:
        return hypothesis
    return Hypothesis(((audio.until(result.until), result),))


def _rest(audio: AudioSlice, hypothesis: Hypothesis[AudioSlice]) -> tuple[Samples, float] | None:
    ((read, _),) = hypothesis.results
    if read is audio:
        return None
    return audio.samples[len(read.samples) :], audio.start + read.seconds


def _gap(span: TimeSpan, reading: Reading, window: Window) -> TimeSpan:
    """Return the span with a margin on both sides, which reaches into no word."""
    start, end = span
    before = max((word.end for word in reading.words if word.end <= start), default=0.0)
    behind = min((word.start for word in reading.words if word.start >= end), default=len(window.samples) / SAMPLE_RATE)
    return max(before, start - _MARGIN_S), min(behind, end + _MARGIN_S)


def _sure(reading: Reading, least: float) -> Reading:
    pairs = [pair for pair in zip(reading.words, reading.results, strict=True) if pair[1].avg_logprob >= least]
    return Reading(tuple(word for word, _ in pairs), tuple(result for _, result in pairs))
