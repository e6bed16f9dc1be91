"""What is Whisper's own: prompts, sampling, second readings, languages; on the tiny model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dictograph.engine.protocol import EngineSpec, Window, WindowOptions
from dictograph.engine.whisper import engine as whisper
from dictograph.engine.whisper import fallback as whisper_fallback
from dictograph.engine.whisper import model as whisper_model
from dictograph.engine.whisper import reader as whisper_reader
from dictograph.errors import ModelUnavailable, UnsupportedByEngine
from tests.integration.engine.cases import TINY
from tests.speech import say
from tests.voices import noise, silence

OPTIONS = WindowOptions(language="en")
SPEC = EngineSpec("whisper", "dictograph.engine.whisper.engine:load", "tiny-digits", str(TINY))


@pytest.fixture(scope="module")
def engine() -> whisper.WhisperEngine:
    return whisper.load(SPEC)


def _windows() -> list[Window]:
    pause = silence(1.0)
    phrases = [say("one two three"), say("nine eight"), say("four zero five seven")]
    return [Window(np.concatenate([phrases[0], pause, phrases[1], pause, phrases[2]])), *map(Window, phrases)]


def _texts(engine: whisper.WhisperEngine, options: WindowOptions, windows: list[Window]) -> list[str]:
    return [" ".join(s.text for s in result.segments) for result in engine.transcribe(windows, options)]


def test_pauses_make_segments_with_whispers_figures(engine: whisper.WhisperEngine) -> None:
    (result,) = engine.transcribe(_windows()[:1], OPTIONS)
    assert [segment.text for segment in result.segments] == ["one two three", "nine eight", "four zero five seven"]
    for segment in result.segments:
        assert segment.tokens
        assert segment.temperature == 0.0
        assert segment.avg_logprob is not None
        assert -1 < segment.avg_logprob <= 0
        assert segment.no_speech_prob is not None
        assert 0 <= segment.no_speech_prob < 0.6
        assert segment.compression_ratio is not None
    assert not result.sampled


@pytest.mark.parametrize("beam_size", [1, 2, 10])
def test_every_beam_hears_the_same_clear_words(engine: whisper.WhisperEngine, beam_size: int) -> None:
    assert _texts(engine, replace(OPTIONS, beam_size=beam_size), _windows()[1:3]) == ["one two three", "nine eight"]


def test_with_prompt_and_hotwords_batches_still_change_nothing(engine: whisper.WhisperEngine) -> None:
    options = replace(OPTIONS, prompt="five six " * 300, hotwords="seven " * 200)
    windows = _windows()
    together = engine.transcribe(windows, options)
    assert together == [engine.transcribe([window], options)[0] for window in windows]


def test_sampling_is_marked_and_leaves_no_trace(engine: whisper.WhisperEngine) -> None:
    windows = _windows()
    before = engine.transcribe(windows, OPTIONS)
    sampled = engine.transcribe(windows, replace(OPTIONS, temperature=0.8))
    assert all(result.sampled for result in sampled)
    assert sampled[0].segments[0].temperature == 0.8
    assert engine.transcribe(windows, OPTIONS) == before


def test_doubtful_windows_are_read_again_by_themselves(
    engine: whisper.WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a bound that nothing meets, all are read three ways; neighbours still change nothing."""
    monkeypatch.setattr(whisper_fallback, "LOWEST_LOGPROB", 0.5)
    monkeypatch.setattr(whisper_fallback, "NO_SPEECH", ())
    seen = []

    def best(readings: list[whisper_fallback.Hypothesis[Any]]) -> whisper_fallback.Hypothesis[Any]:
        seen.append(readings)
        return whisper_fallback.best(readings)

    monkeypatch.setattr(whisper_reader, "best", best)
    windows = [*_windows(), Window(noise("pink", -20, 5, seed=1))]
    together = engine.transcribe(windows, OPTIONS)
    ways = {len(readings) for readings in seen}
    assert ways == {2, 3}, "halves are read in two ways, whole windows in three"
    assert any(len(reading.results) == 2 for readings in seen for reading in readings)
    alone = [engine.transcribe([window], OPTIONS)[0] for window in reversed(windows)][::-1]
    assert json.dumps([r.as_dict() for r in together]) == json.dumps([r.as_dict() for r in alone])


def test_words_of_the_second_half_stand_in_the_windows_time(
    engine: whisper.WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(np.concatenate([say("one two three"), silence(2.5), say("nine eight")]))
    (whole,) = engine.transcribe([window], OPTIONS)
    monkeypatch.setattr(whisper_reader, "best", lambda readings: readings[-1])
    monkeypatch.setattr(whisper_fallback.DecodeResult, "good", False)
    (halved,) = engine.transcribe([window], OPTIONS)
    times = [[word.start for segment in result.segments for word in segment.words] for result in (whole, halved)]
    assert [s.text for s in halved.segments] == ["one two three", "nine eight"]
    assert times[1] == pytest.approx(times[0], abs=0.2)


def _long(*phrases: str) -> Window:
    return Window(np.concatenate([part for phrase in phrases for part in (say(phrase), silence(1.0))]))


@pytest.mark.parametrize("temperature", [0.0, 0.01])
def test_speech_behind_the_longest_answer_is_read(
    engine: whisper.WhisperEngine, monkeypatch: pytest.MonkeyPatch, temperature: float
) -> None:
    """Fourteen digits, where an answer holds eight: as Malayalam fills the 224 of real ones in seven seconds."""
    window = _long("one two three four", "nine eight two", "four zero five seven", "six three one")
    options = replace(OPTIONS, temperature=temperature)
    (whole,) = engine.transcribe([window], OPTIONS)
    monkeypatch.setattr(whisper_model, "MAX_TOKENS", 16)
    neighbours = [window, *_windows()[1:], window]
    first, *_, last = engine.transcribe(neighbours, options)
    assert [s.text for s in first.segments] == [s.text for s in whole.segments]
    times = [[word.start for segment in result.segments for word in segment.words] for result in (whole, first)]
    assert times[1] == pytest.approx(times[0], abs=0.2)
    assert last == first == engine.transcribe([window], options)[0]


def _never_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = whisper_model._suppressed
    monkeypatch.setattr(whisper_model, "_suppressed", lambda tokenizer: (*usual(tokenizer), tokenizer.eot))


def test_a_model_that_never_ends_is_not_asked_for_ever(
    engine: whisper.WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper_model, "MAX_TOKENS", 16)
    _never_ending(monkeypatch)
    decode, calls = engine._model.decode, []

    def noted(encoded: Any, *how: Any) -> Any:
        calls.append(how)
        return decode(encoded, *how)

    monkeypatch.setattr(engine._model, "decode", noted)
    engine.transcribe([_long("one two three four", "nine eight two", "four zero five seven")], OPTIONS)
    assert 1 < len(calls) < 10


def test_a_strict_answer_that_runs_on_since_it_must_not_loop_is_not_cut_for_more(
    engine: whisper.WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = whisper_fallback.DecodeResult(tuple([7, 8] * 112), "so it " * 112, -0.5, 0.0, full=True)
    made_up = whisper_fallback.DecodeResult(tuple(range(224)), " ".join(map(str, range(224))), -0.8, 0.0, full=True)
    asked: list[int] = []

    def decode(
        encoded: Sequence[object], speech: object, how: whisper_model.Decoding
    ) -> list[whisper_fallback.DecodeResult]:
        asked.append(len(encoded))
        return [made_up if how.no_repeat_ngram_size else loop for _ in encoded]

    monkeypatch.setattr(engine._model, "decode", decode)
    monkeypatch.setattr(engine._model, "align", lambda encoded, *rest, at_most: [[] for _ in encoded])
    engine.transcribe([_long("one two three four", "nine eight two", "four zero five seven")], OPTIONS)
    assert asked == [1, 1]


def test_a_long_prompt_leaves_an_answer_all_its_room(
    engine: whisper.WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _never_ending(monkeypatch)
    (stretch,) = engine._slicer.slices([say("one two three")])
    speech = engine._model.speech("en", "transcribe", "five six " * 300, None)
    (take,) = engine._model.decode([stretch.encoded], speech, whisper_model.Decoding(beam_size=1))
    assert take.full, "the answer had 224 tokens, whatever they were"


def test_the_language_is_heard(engine: whisper.WhisperEngine) -> None:
    said = {"en": Window(say("one two three four")), "de": Window(say("drei vier fünf sechs", "de"))}
    for shares, language in zip(engine.detect(list(said.values())), said, strict=True):
        assert max(shares, key=lambda code: shares[code]) == language
    assert engine.detect([said["de"]]) == engine.detect(list(said.values()))[1:]


def test_what_was_encoded_before_is_not_encoded_again_to_be_read(
    engine: whisper.WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = _windows()
    plain = engine.transcribe(windows, OPTIONS)
    encode, encoded = engine._model.encode, []

    def count(mels: Sequence[Any]) -> list[Any]:
        encoded.append(len(mels))
        return encode(mels)

    monkeypatch.setattr(engine._model, "encode", count)
    engine.detect(windows[:2])
    engine.prepare([windows[3], Window(np.zeros(16_000, np.int16))])
    assert engine.transcribe(windows, OPTIONS) == plain
    assert sum(encoded) == len(windows)
    assert engine.transcribe(windows, OPTIONS) == plain
    assert sum(encoded) == 2 * len(windows)


def test_an_undecided_language_is_refused(engine: whisper.WhisperEngine) -> None:
    with pytest.raises(UnsupportedByEngine, match="has not been decided"):
        engine.transcribe(_windows(), replace(OPTIONS, language=None))


def test_models_that_never_learned_to_translate_say_so() -> None:
    turbo = whisper.load(replace(SPEC, model="large-v3-turbo"))
    assert turbo.capabilities.tasks == {"transcribe"}
    with pytest.raises(UnsupportedByEngine, match="large-v3-turbo"):
        turbo.transcribe(_windows(), replace(OPTIONS, task="translate"))


def test_the_batch_size_is_taken_from_the_spec() -> None:
    engine = whisper.load(replace(SPEC, batch_size=3))
    assert engine.capabilities.max_batch == 3
    windows = _windows()
    assert engine.transcribe(windows * 2, OPTIONS)[4:] == engine.transcribe(windows, OPTIONS)


def test_a_batch_that_did_not_fit_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = whisper.load(replace(SPEC, batch_size=4, threads=1))  # one decoder gets all of a batch
    decode, sizes = engine._model.decode, []

    def in_little_memory(encoded: Sequence[Any], *how: Any) -> Any:
        sizes.append(len(encoded))
        if len(encoded) > 2:
            raise RuntimeError("CUDA failed with error out of memory")
        return decode(encoded, *how)

    expected = engine.transcribe(_windows(), OPTIONS)
    monkeypatch.setattr(engine._model, "decode", in_little_memory)
    assert engine.transcribe(_windows(), OPTIONS) == expected
    assert engine.transcribe(_windows(), OPTIONS) == expected
    assert [size for size in sizes if size > 1] == [4, 2, 2, 2, 2]
    assert engine.capabilities.max_batch == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_the_specs(threads: int) -> None:
    assert _texts(whisper.load(replace(SPEC, threads=threads)), OPTIONS, _windows()[2:3]) == ["nine eight"]


def test_a_broken_model_is_named(tmp_path: object) -> None:
    with pytest.raises(ModelUnavailable, match="no converted Whisper model") as caught:
        whisper.load(replace(SPEC, model_path=str(tmp_path)))
    assert str(tmp_path) not in caught.value.message, "clients are told"


def test_a_damaged_model_is_named(tmp_path: object) -> None:
    from pathlib import Path
    from shutil import copytree

    folder = copytree(TINY, Path(str(tmp_path)) / "model")
    (folder / "model.bin").write_bytes(b"no weights at all")
    with pytest.raises(ModelUnavailable, match="cannot be loaded") as caught:
        whisper.load(replace(SPEC, model_path=str(folder)))
    assert str(tmp_path) not in caught.value.message, "clients are told"
