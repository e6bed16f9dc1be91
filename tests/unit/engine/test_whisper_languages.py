"""Each window in its own language: found among the candidates, grouped, put back in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dictograph.engine.codec import options_from_dict
from dictograph.engine.protocol import Window, WindowOptions, WindowResult
from dictograph.engine.whisper.languages import Heard, each_in_its_own, most_probable
from dictograph.transcript import Segment

FOUND = {"nl": 0.6, "de": 0.3, "en": 0.1}


def test_the_most_probable_of_all_or_of_the_candidates() -> None:
    assert most_probable(FOUND) == Heard("nl", 0.6)
    assert most_probable(FOUND, ("de", "en")) == Heard("de", 0.75)
    assert most_probable({"nl": 1.0, "de": 0.0}, ("de",)) == Heard("de", 0.0)


def test_windows_of_one_language_are_read_together_and_results_keep_their_order() -> None:
    calls = []

    def read(windows: Sequence[Window], options: WindowOptions) -> list[WindowResult]:
        calls.append((options.language, options.multilingual, [window.start for window in windows]))
        return [WindowResult((Segment(0.0, 1.0, f"{options.language} {window.start}"),)) for window in windows]

    windows = [Window(np.ones(16_000, np.int16), float(n)) for n in range(4)]
    heard = [Heard(one, 0.9) for one in ("de", "en", "de", "fr")]
    results = each_in_its_own(windows, heard, WindowOptions(None, multilingual=True), read)
    assert calls == [("de", False, [0.0, 2.0]), ("en", False, [1.0]), ("fr", False, [3.0])]
    assert [result.segments[0].text for result in results] == ["de 0.0", "en 1.0", "de 2.0", "fr 3.0"]
    assert [result.segments[0].language for result in results] == ["de", "en", "de", "fr"]


def test_candidates_survive_the_way_to_the_engine() -> None:
    shape = {"language": ["de", "en"], "multilingual": True}
    assert options_from_dict(shape) == WindowOptions(("de", "en"), multilingual=True)
    assert hash(options_from_dict(shape))
