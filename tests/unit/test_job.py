"""States, options, progress, backoff."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dictograph.job import TRANSITIONS, Job, JobStatus, Options, Source, SourceKind, backoff_seconds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = Job("1", "local", "a.mp3", JobStatus.PROCESSING, Source(SourceKind.UPLOAD), Options(), NOW, NOW)


def test_the_state_machine_is_the_one_that_is_drawn() -> None:
    assert set(TRANSITIONS) == set(JobStatus)
    assert not TRANSITIONS[JobStatus.COMPLETED]
    assert {state for state, following in TRANSITIONS.items() if JobStatus.PENDING in following} == {
        JobStatus.PROCESSING,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    }
    assert {state for state, following in TRANSITIONS.items() if JobStatus.COMPLETED in following} == {
        JobStatus.PROCESSING
    }


@given(steps=st.lists(st.integers(0, 10), max_size=30))
def test_a_walk_leaves_an_ended_state_only_by_retry(steps: list[int]) -> None:
    state = JobStatus.PENDING
    for step in steps:
        choices = sorted(TRANSITIONS[state])
        if not choices:
            assert state is JobStatus.COMPLETED
            return
        following = choices[step % len(choices)]
        assert not state.ended or following is JobStatus.PENDING
        assert following is not state
        state = following


@given(duration=st.none() | st.floats(0, 1e6), done=st.floats(0, 1e6), status=st.sampled_from(JobStatus))
def test_progress_is_between_0_and_1_and_1_only_at_the_end(
    duration: float | None, done: float, status: JobStatus
) -> None:
    progress = replace(JOB, duration=duration, seconds_done=done, status=status).progress
    assert 0 <= progress <= 1
    assert (progress == 1) == (status is JobStatus.COMPLETED)


def test_dead_means_failed_with_the_budget_spent() -> None:
    assert replace(JOB, status=JobStatus.FAILED, failures=3).dead
    assert not replace(JOB, status=JobStatus.FAILED, failures=2).dead
    assert not replace(JOB, status=JobStatus.PENDING, failures=3).dead


@given(failures=st.integers(0, 10**6), base=st.floats(0, 1e3), cap=st.floats(0, 1e5), seed=st.integers())
def test_backoff_doubles_up_to_its_cap_with_jitter_above_a_half(
    failures: int, base: float, cap: float, seed: int
) -> None:
    wait = backoff_seconds(failures, base, cap, random.Random(seed))
    ceiling = min(cap, base * 2.0 ** min(max(failures - 1, 0), 32))
    assert ceiling / 2 <= wait <= ceiling


def test_backoff_of_the_first_failures() -> None:
    class Longest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    assert [backoff_seconds(n, 2, 300, Longest()) for n in (1, 2, 3, 4, 9)] == [2, 4, 8, 16, 300]


def test_equal_requests_have_equal_options_however_they_are_said() -> None:
    assert Options().normalised() == Options(language=None, beam_size=5).normalised()
    assert Options(beam_size="3").normalised() == Options(beam_size=3).normalised()
    assert Options(language="de").normalised() != Options().normalised()


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "klingon"},
        {"language": "e"},
        {"task": "summarise"},
        {"beam_size": 0},
        {"beam_size": 11},
        {"temperature": 1.1},
        {"temperature": float("nan")},
        {"engine": "../x"},
        {"model": ""},
        {"prompt": "x" * 2001},
        {"vad_threshold": 0},
        {"unheard_of": 1},
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        Options(**wrong)
    assert caught.value.errors()[0]["loc"][:1] == tuple(wrong)


def test_options_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Options().language = "de"  # type: ignore[misc]
