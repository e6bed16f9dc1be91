"""Decide the language of a job from its first windows of speech."""

from __future__ import annotations

from asyncio import Future
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from dictograph.engine.protocol import Capabilities
from dictograph.errors import EngineFailed
from dictograph.job import Options
from dictograph.transcript import JobWarning
from dictograph.worker.accounts.language_account import SURE, uncertain
from dictograph.worker.planning import NumberedWindow

#: The number of windows of speech from which the language is decided; the number that is tried first, and the
#: probability at which these are enough.
OPENING = 4
_FIRST_TRY = 2
_ENOUGH = 0.9


class LanguageDecision:
    """The choice among the languages that a job names, or that its engine knows.

    Args:
        options: the job's.
        capabilities: the engine's.
        engine: its name, for the message of an error.
        detect: puts a window into the queue; the answer is the probability of each language.
        taken: is called when an answer was taken, so that the next windows of the job may be.
    """

    def __init__(
        self,
        options: Options,
        capabilities: Capabilities,
        engine: str,
        detect: Callable[[NumberedWindow], Future[Any]],
        taken: Callable[[], None],
    ) -> None:
        self._options = options
        self._capabilities = capabilities
        self._engine = engine
        self._detect = detect
        self._taken = taken

    @property
    def must_detect(self) -> bool:
        """Whether the audio has to be asked."""
        return len(self._options.candidates) != 1 and self._capabilities.detects_language

    async def of(self, opening: Sequence[NumberedWindow]) -> tuple[str, float | None, list[JobWarning]]:
        """Return the language of the opening windows, its probability if it was detected, and warnings."""
        if not self.must_detect:
            (language,) = self._options.candidates or self._capabilities.languages
            return language, None, []
        language, probability = await self._most_probable(opening)
        several = self._options.multilingual and self._capabilities.multilingual
        hardly = probability < SURE and not several
        return language, probability, [uncertain(language, probability)] if hardly else []

    async def _most_probable(self, opening: Sequence[NumberedWindow]) -> tuple[str, float]:
        """Return the most probable language of the windows, weighted by their length, and its probability.

        Where the job names several, both are among these.
        """
        sums: defaultdict[str, float] = defaultdict(float)
        seconds = 0.0
        for windows in (opening[:_FIRST_TRY], opening[_FIRST_TRY:]):
            await self._weigh(windows, sums)
            if not sums:
                raise EngineFailed(
                    f"The engine {self._engine} named no language for the speech: this is a fault of the engine."
                )
            seconds += sum(window.seconds for window in windows)
            whole = sum(sums.values()) if self._options.candidates else seconds
            language = max(sorted(sums), key=sums.__getitem__)
            if sums[language] > _ENOUGH * whole:
                break
        return language, round(sums[language] / whole, 4) if whole else 0.0

    async def _weigh(self, windows: Sequence[NumberedWindow], sums: defaultdict[str, float]) -> None:
        """Add the probabilities of the languages of these windows to `sums`, weighted by their length."""
        answers = [self._detect(window) for window in windows]
        for window, answer in zip(windows, answers, strict=True):
            probabilities = await answer
            self._taken()
            assert isinstance(probabilities, dict)
            among = self._options.candidates or probabilities
            for language, probability in probabilities.items():
                if language in among:
                    sums[language] += probability * window.seconds
