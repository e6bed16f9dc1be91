"""The voice detector itself: the same probabilities however the audio is cut, and the right ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from dictograph.audio import silero
from dictograph.audio.silero import Hearing, Silero, model_file
from dictograph.audio.vad import BLOCK_SAMPLES, MAX_BLOCKS, Listened, ListenRequest, VadState
from dictograph.audio.vad_child import Detector
from dictograph.child.frames import Frame
from tests.voices import Samples, noise, recording, silence


@pytest.fixture(scope="module")
def speech() -> Samples:
    """Eleven seconds of speech and two of noise; the last block is partial."""
    return np.concatenate([recording(), noise("pink", -20, 2.0, seed=1), silence(0.01)])


@pytest.fixture(scope="module")
def model() -> Silero:
    return Silero(model_file())


#: Until here all passes have heard the same.
_FIRST_RENEWAL = 64


def heard(model: Silero, samples: Samples) -> NDArray[np.float32]:
    return model.listen(samples, VadState.fresh())[0]


def test_speech_is_told_from_noise(model: Silero, speech: Samples) -> None:
    probabilities = heard(model, speech)
    assert probabilities.max() > 0.95
    assert probabilities[-50:].max() < 0.5


@pytest.mark.parametrize("edges", [[1, 2, 3, 100], [32, 64], [31, 65, 66, 200], list(range(0, 400, 7))])
def test_cuts_change_no_bit(model: Silero, speech: Samples, edges: Sequence[int]) -> None:
    whole, whole_state = model.listen(speech, VadState.fresh())
    parts, state = [], VadState.fresh()
    for first, after in pairwise([0, *edges, len(whole)]):
        part, state = model.listen(speech[first * BLOCK_SAMPLES : after * BLOCK_SAMPLES], state)
        parts.append(part)
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert state.to_bytes() == whole_state.to_bytes()


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_size_of_a_batch_changes_no_bit(
    model: Silero, speech: Samples, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = heard(model, speech)
    monkeypatch.setattr(silero, "_BATCH", batch)
    assert heard(model, speech).tobytes() == expected.tobytes()


def test_a_partial_block_is_filled_with_zeros(model: Silero, speech: Samples) -> None:
    missing = -len(speech) % BLOCK_SAMPLES
    assert missing
    assert heard(model, speech).tobytes() == heard(model, np.pad(speech, (0, missing))).tobytes()


def test_nothing_is_heard_in_nothing(model: Silero, speech: Samples) -> None:
    probabilities, state = model.listen(silence(0), VadState.fresh())
    assert probabilities.shape == (0,)
    assert state.phase == 0
    rest, _ = model.listen(speech, state)
    assert rest.tobytes() == heard(model, speech).tobytes()


def test_the_probabilities_are_those_of_faster_whisper_within_a_period(model: Silero, speech: Samples) -> None:
    """Up to where the second pass begins anew, and with the silence before that ours has heard."""
    from faster_whisper.vad import get_vad_model

    hearing = Hearing()
    ours = speech[: _FIRST_RENEWAL * BLOCK_SAMPLES]
    ours = ours + noise("pink", -30, len(ours) / 16_000, seed=2)  # nothing is so quiet that it would be lifted
    silent = hearing.silent_blocks

    def theirs(before: int) -> NDArray[np.float32]:
        # A block of zeros at the end, since faster-whisper drops the end of the last block.
        padded = np.pad(ours, (before * BLOCK_SAMPLES, BLOCK_SAMPLES))
        found = np.ravel(get_vad_model()(padded.astype(np.float32) / 32768))
        return np.asarray(found[before : before + _FIRST_RENEWAL], np.float32)

    np.testing.assert_allclose(heard(model, ours), np.maximum(theirs(silent), theirs(0)), atol=1e-6)


def test_the_process_loads_neither_faster_whisper_nor_what_it_needs() -> None:
    code = """
import sys
from dictograph.audio.vad_child import Detector
Detector()._loaded()
print(sorted({"faster_whisper", "ctranslate2", "av", "huggingface_hub"} & sys.modules.keys()))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_parent_loads_no_inference() -> None:
    code = """
import sys
import dictograph.audio.vad_client, dictograph.audio.plan
print(sorted({"faster_whisper", "ctranslate2", "av", "onnxruntime"} & sys.modules.keys()))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def answer(request: ListenRequest) -> Listened:
    [frame] = Detector()(request.frame())
    return Listened.from_frame(frame)


def test_a_request_is_answered_from_what_came_with_it(model: Silero, speech: Samples) -> None:
    cut = 100 * BLOCK_SAMPLES
    first = answer(ListenRequest(speech[:cut], VadState.fresh()))
    rest = answer(ListenRequest(speech[cut:], first.state))
    assert first.probabilities.tobytes() + rest.probabilities.tobytes() == heard(model, speech).tobytes()


@pytest.mark.parametrize("samples", [0, MAX_BLOCKS * BLOCK_SAMPLES + 1])
def test_a_senseless_number_of_samples_is_an_error(samples: int) -> None:
    with pytest.raises(ValueError, match="cannot be asked for"):
        answer(ListenRequest(np.zeros(samples, np.int16), VadState.fresh()))


def test_a_request_whose_body_is_not_what_it_says_is_an_error() -> None:
    whole = ListenRequest(np.zeros(1000, np.int16), VadState.fresh()).frame()
    with pytest.raises(ValueError, match="cannot be asked for"):
        ListenRequest.from_frame(Frame(whole.header, whole.body[:-2]))


def test_a_state_of_another_size_is_an_error() -> None:
    with pytest.raises(ValueError, match="834 numbers"):
        VadState.from_bytes(bytes(4 * 833))
