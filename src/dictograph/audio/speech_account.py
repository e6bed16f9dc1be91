"""Keep the account of the speech that was detected, so that each window can be told what is spoken in it."""

from __future__ import annotations

from collections.abc import Iterable

from dictograph.audio.speech import Span, Speech, SpeechRules, VadSpeechDetector


class SpeechAccount:
    """The speech of one audio, for windows that are asked for in order. What lies before them is forgotten."""

    def __init__(self, rules: SpeechRules) -> None:
        self._detector = VadSpeechDetector(rules)
        self._ended: list[Speech] = []

    def feed(self, probabilities: Iterable[float]) -> None:
        """Take the probabilities of speech in the next blocks."""
        for probability in probabilities:
            if (speech := self._detector.push(probability)) is not None:
                self._ended.append(speech)

    def finish(self, total: int) -> None:
        """End the audio after `total` samples."""
        if (speech := self._detector.finish(total)) is not None:
            self._ended.append(speech)

    def within(self, window: Span) -> tuple[Speech, ...]:
        """Return the speech in a window, cut at its edges; no window before its end may be asked for afterwards."""
        current = self._detector.current
        known = [*self._ended, current] if current is not None else self._ended
        cut = (Speech(max(s.start, window.start), min(s.end, window.end), s.certain) for s in known)
        found = tuple(speech for speech in cut if speech.samples > 0)
        self._ended = [speech for speech in self._ended if speech.end > window.end]
        return found
