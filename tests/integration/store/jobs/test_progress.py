"""Windows as checkpoints: the plan, the commits, the text at the end, and the events on the way."""

from __future__ import annotations

import pytest

from dictograph.errors import DictographError
from dictograph.job import FrozenEngine, JobStatus, Options
from dictograph.store.jobs import finish, progress, read
from tests.integration.store.store_driver import StoreDriver, result


def test_a_whole_run_and_its_events(driver: StoreDriver) -> None:
    made = driver.create()
    held = driver.claim().lease
    warning = {"code": "engine_fallback", "message": "No weights."}
    driver.write(progress.freeze_engine, held, FrozenEngine("sphinx", "en", "5.1"), [warning])
    driver.plan(held, 1)
    driver.write(progress.freeze_language, held, "en", 0.75)
    driver.commit(held, 0)
    driver.plan(held, 2, first=1)
    driver.write(progress.finish_plan, held, 40.0, [warning, {"code": "damage", "message": "A gap.", "start": 1.0}])
    driver.commit(held, 1, 2)
    job = driver.write(finish.complete, held)
    assert [e.type for e in driver.events(made.id)] == [
        *("created", "started", "engine", "warning", "plan", "language", "segments", "plan", "plan", "warning"),
        *("segments", "segments", "completed"),
    ]
    commits = [e.data for e in driver.events(made.id) if e.type == "segments"]
    assert [(c["index"], c["start"], c["end"], c["seconds_done"], c["progress"]) for c in commits] == [
        (0, 0.0, 10.0, 10.0, 0.999),
        (1, 10.0, 20.0, 20.0, 0.5),
        (2, 20.0, 30.0, 30.0, 0.75),
    ]
    assert driver.events(made.id)[-1].data == {"duration": 40.0, "windows": 3, "language": "en"}
    assert (job.status, job.progress, job.windows_done, job.error) == (JobStatus.COMPLETED, 1.0, 3, None)
    assert [w["code"] for w in job.warnings] == ["engine_fallback", "damage"], "each is said once"
    assert driver.column(made.id, "result_text") == "text 0 text 1 text 2"
    assert driver.column(made.id, "processing_time_seconds") == round(job.processing_seconds or -1)


def test_the_text_of_many_windows_is_read_in_pages(driver: StoreDriver) -> None:
    held = driver.running()
    driver.plan(held, 150)
    driver.write(progress.commit_windows, held, [(i, result(f" {i} " if i % 3 else "  ")) for i in range(150)])
    driver.finish_plan(held)
    driver.write(finish.complete, held)
    assert driver.column(held.job_id, "result_text") == " ".join(str(i) for i in range(150) if i % 3)


def test_a_job_without_speech_completes_with_no_text(driver: StoreDriver) -> None:
    held = driver.running()
    driver.finish_plan(held)
    assert driver.write(finish.complete, held).status is JobStatus.COMPLETED
    assert driver.column(held.job_id, "result_text") == ""


@pytest.mark.parametrize("lack", ["windows", "plan"])
def test_an_unfinished_job_cannot_be_completed(driver: StoreDriver, lack: str) -> None:
    held = driver.running()
    driver.plan(held, 2)
    if lack == "windows":
        driver.commit(held, 0)
        driver.finish_plan(held)
    else:
        driver.commit(held, 0, 1)
    before = driver.events(held.job_id)
    with pytest.raises(DictographError, match="cannot be completed"):
        driver.write(finish.complete, held)
    assert driver.status(held.job_id) is JobStatus.PROCESSING
    assert driver.events(held.job_id) == before


@pytest.mark.parametrize("indexes", [(1,), (0, 2), (1, 0), (0, 0), (0, 1, 2, 3)])
def test_windows_are_committed_in_order_or_not_at_all(driver: StoreDriver, indexes: tuple[int, ...]) -> None:
    held = driver.running()
    driver.plan(held, 3)
    with pytest.raises(DictographError):
        driver.commit(held, *indexes)
    assert driver.job(held.job_id).windows_done == 0
    assert driver.read(read.windows, held.job_id, committed_only=True) == []
    driver.commit(held, 0)
    with pytest.raises(DictographError, match="out of order"):
        driver.commit(held, 0)


def test_a_plan_has_no_hole_and_no_end_twice(driver: StoreDriver) -> None:
    held = driver.running()
    with pytest.raises(DictographError, match="out of order"):
        driver.plan(held, 1, first=1)
    driver.plan(held, 1)
    driver.finish_plan(held)
    with pytest.raises(DictographError, match="complete"):
        driver.plan(held, 1, first=1)


def test_other_samples_void_all_windows(driver: StoreDriver) -> None:
    held = driver.running()
    driver.plan(held, 2)
    driver.write(progress.freeze_language, held, "de", 0.9)
    driver.commit(held, 0)
    driver.finish_plan(held)
    driver.write(progress.restart_windows, held, "audio_changed", "The samples have changed.")
    job = driver.job(held.job_id)
    assert (job.windows_planned, job.windows_done, job.seconds_done, job.plan_complete) == (0, 0, 0.0, False)
    assert job.language is None
    assert driver.read(read.windows, held.job_id) == []
    assert driver.events(held.job_id)[-1].data == {"code": "audio_changed", "reason": "The samples have changed."}
    assert driver.whole(held).status is JobStatus.COMPLETED


def test_windows_are_read_in_pages(driver: StoreDriver) -> None:
    held = driver.running()
    driver.plan(held, 5)
    driver.commit(held, 0, 1, 2)
    assert [w.index for w in driver.read(read.windows, held.job_id, 0, 2)] == [1, 2]
    assert [w.index for w in driver.read(read.windows, held.job_id, 1, committed_only=True)] == [2]
    assert driver.read(read.windows, held.job_id, 3)[0].result is None


def test_the_account_of_speech_grows_with_the_windows_and_starts_again_with_them(driver: StoreDriver) -> None:
    held = driver.running()
    driver.plan(held, 3)
    warning = {"code": "speech_without_words", "message": "-", "start": 2.0, "end": 5.0}
    one, two = [(0, result("a"))], [(1, result("b")), (2, result("c"))]
    driver.write(progress.commit_windows, held, one, progress.SpeechSeconds(8.0, 5.0), [warning])
    driver.write(progress.commit_windows, held, two, progress.SpeechSeconds(16.0, 16.0), [warning])
    job = driver.job(held.job_id)
    assert (job.speech_seconds, job.covered_seconds) == (24.0, 21.0)
    assert [w["code"] for w in job.warnings] == ["speech_without_words"]
    assert [e.type for e in driver.events(held.job_id)][-4:] == ["segments", "warning", "segments", "segments"]
    driver.write(progress.restart_windows, held, "rules_changed", "-")
    again = driver.job(held.job_id)
    assert (again.speech_seconds, again.covered_seconds) == (None, None)


def test_what_was_told_of_windows_is_not_told_when_they_are_done_again(driver: StoreDriver) -> None:
    held = driver.running()
    driver.plan(held, 1)
    gap = {"code": "speech_without_words", "message": "-", "start": 2.0, "end": 5.0}
    damage = {"code": "damaged_audio", "message": "-", "start": 7.0}
    others = [{"code": code, "message": "-"} for code in ("other_language", "language_uncertain", "no_words_found")]
    driver.write(progress.warn, held, [*others, damage])
    driver.write(progress.commit_windows, held, [(0, result("a"))], progress.SpeechSeconds(8.0, 5.0), [gap])
    driver.write(progress.restart_windows, held, "rules_changed", "-")
    assert list(driver.job(held.job_id).warnings) == [damage]
    driver.plan(held, 1)
    driver.write(progress.commit_windows, held, [(0, result("a"))], progress.SpeechSeconds(8.0, 5.0), [gap])
    assert list(driver.job(held.job_id).warnings) == [damage, gap]
    assert driver.events(held.job_id)[-1].data == gap


def test_words_are_stored_and_shown_in_events_only_when_asked_for(driver: StoreDriver) -> None:
    word = {"start": 0.0, "end": 1.0, "word": "a", "probability": 0.5}
    for options, shown in ((Options(), []), (Options(word_timestamps=True), [word])):
        held = driver.running(options=options)
        driver.plan(held, 1)
        answer = result("a")
        answer["segments"][0]["words"] = [word]
        driver.write(progress.commit_windows, held, [(0, answer)])
        (segment,) = driver.events(held.job_id)[-1].data["segments"]
        assert segment["words"] == shown
        stored = driver.read(read.windows, held.job_id)[0].result
        assert stored is not None
        assert stored["segments"][0]["words"] == [word]
        driver.finish_plan(held)
        driver.write(finish.complete, held)
