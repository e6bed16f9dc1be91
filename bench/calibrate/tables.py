"""The tables of a calibration: one for each constant of detection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.calibrate import sounds
from bench.calibrate.detection import Detector, seconds, speech
from bench.calibrate.table import Table
from bench.recordings import Recordings
from dictograph.audio.silero import Hearing
from dictograph.audio.speech import SpeechRules
from dictograph.job import Options

Probabilities = NDArray[np.float32]

#: How the audio is heard, by name. The first is the choice.
HEARINGS = {
    "as it is": Hearing(),
    "one state for the whole file": Hearing(passes=((2**30, 0, False),) * 3),
    "two states of 4 s": Hearing(passes=((128, 0, True), (128, 64, True), (128, 64, True))),
    "two states of 2 s": Hearing(passes=((64, 0, True), (64, 32, True), (64, 32, True))),
    "two states of 16 s": Hearing(passes=((512, 0, True), (512, 256, True), (512, 256, True))),
    "no silence before": Hearing(silent_blocks=1),
    "no lift": Hearing(lift_db=0),
}

_DEPTHS = (0.0, 0.1, 0.15, 0.2, 0.25)
_SHORTEST_MS = (0, 50, 100)
_EVIDENCE = (5, 10, 15, 20, 30)
_QUIET_DB = -60.0


def tables(recordings: Recordings) -> Iterator[Table]:
    """Measure one table after the other."""
    yield _hearings(recordings)
    detector = Detector.of()
    spoken = [*sounds.words(recordings), *sounds.words(recordings, -20.0)]
    said = [detector.probabilities(samples) for samples in spoken]
    unsaid = [detector.probabilities(samples) for samples in sounds.unsaid(recordings)]
    yield _depths(said, unsaid)
    yield _evidence(said, unsaid)


def _hearings(recordings: Recordings) -> Table:
    rows = [[name, *_figures(Detector.of(hearing), recordings)] for name, hearing in HEARINGS.items()]
    columns = ("states", "words missed", "20 dB lower", "from sample 0", "kept behind music, least", "kept at −60 dB",
               "windows in half an hour of nothing said")  # fmt: skip
    return Table("How often a state begins anew", columns, rows)


def _figures(detector: Detector, recordings: Recordings) -> Iterator[str]:
    words = sounds.words(recordings)
    yield f"{detector.missed(words)} of {len(words)}"
    yield str(detector.missed(sounds.words(recordings, -20.0)))
    yield str(detector.missed(sounds.early(words)))
    yield f"{min(detector.kept(both) for both in sounds.behind(recordings, (10, 60))):.3f}"
    yield f"{_kept_quiet(detector):.2f}"
    yield f"{sum(seconds(detector.windows(samples)) for samples in sounds.unsaid(recordings)):.0f} s"


def _kept_quiet(detector: Detector) -> float:
    return seconds(detector.windows(sounds.quiet(_QUIET_DB))) / seconds(detector.windows(sounds.quiet(0)))


def _depths(said: Sequence[Probabilities], unsaid: Sequence[Probabilities]) -> Table:
    rows = []
    for depth in _DEPTHS:
        for shortest in _SHORTEST_MS:
            options = Options(vad_min_speech_duration_ms=shortest)
            rules = replace(SpeechRules.of(options), doubt=depth)
            found = [speech(each, rules) for each in unsaid]
            missed = sum(not speech(each, rules) for each in said)
            rows.append([f"{depth:g}", f"{shortest} ms", f"{missed} of {len(said)}", str(sum(map(len, found))),
                         f"{sum(map(seconds, found)):.0f} s"])  # fmt: skip
    return Table(
        "Where doubt begins", ("below the threshold", "shortest", "words missed", "stretches", "together"), rows
    )


def _evidence(said: Sequence[Probabilities], unsaid: Sequence[Probabilities]) -> Table:
    rows = []
    for least in _EVIDENCE:
        rules = replace(SpeechRules.of(Options()), min_evidence=least)
        words = sum(any(one.certain for one in speech(each, rules)) for each in said)
        nothing = [one for each in unsaid for one in speech(each, rules)]
        rows.append([str(least), f"{words} of {len(said)}", f"{sum(n.certain for n in nothing)} of {len(nothing)}"])
    return Table("What is certain", ("least evidence", "words that are certain", "stretches of nothing said"), rows)
