"""Jobs are found by their path: the owner's newest, by an index, whatever else there is."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from dictograph.contract import Contract
from dictograph.errors import NotFound
from dictograph.job import Job, Source, SourceKind
from dictograph.store.compat.path_jobs import needed_paths, newest_of_path, path_key
from tests.integration.store.store_driver import StoreDriver

TALK = "/data/talk.mp3"


def by_path(driver: StoreDriver, path: str = TALK, owner: str = "path", contract: Contract = Contract.PATH) -> Job:
    return driver.create(owner=owner, contract=contract, source=Source(SourceKind.PATH, path), audio=None)


def test_the_newest_of_the_owner_is_found(driver: StoreDriver) -> None:
    by_path(driver)
    by_path(driver, owner="ann")
    newest = by_path(driver)
    by_path(driver, "/data/other.mp3")
    by_path(driver, contract=Contract.NATIVE)
    job, words = driver.read(newest_of_path, "path", TALK)
    assert (job, words) == (newest, "")
    with pytest.raises(NotFound):
        driver.read(newest_of_path, "path", "/data/none.mp3")
    with pytest.raises(NotFound):
        driver.read(newest_of_path, "somebody", TALK)


def test_a_completed_job_comes_with_its_text(driver: StoreDriver) -> None:
    by_path(driver)
    driver.whole(driver.claim().lease, 2)
    assert driver.read(newest_of_path, "path", TALK)[1] == "text 0 text 1"


def test_a_path_of_any_length_and_of_any_signs_is_found(driver: StoreDriver) -> None:
    for path in ("/" + "d" * 4000, "/data/ä ö/%2F?&#'\"\\.mp3", "/\N{SNOWMAN}"):
        assert driver.read(newest_of_path, "path", by_path(driver, path).source.location)[0].source.location == path


def test_what_has_not_ended_needs_its_path(driver: StoreDriver) -> None:
    by_path(driver)
    by_path(driver, "/data/other.mp3", owner="ann")
    paths = [TALK, "/data/other.mp3", "/data/none.mp3"]
    assert driver.read(needed_paths, paths) == set(paths[:2])
    lease = driver.claim().lease
    assert driver.read(needed_paths, paths) == set(paths[:2])
    driver.whole(lease)
    assert driver.read(needed_paths, paths) == {"/data/other.mp3"}
    assert driver.read(needed_paths, []) == set()


def test_the_question_is_answered_by_the_index(driver: StoreDriver) -> None:
    for number in range(200):
        by_path(driver, f"/data/{number}.mp3")
    by_path(driver)

    def plan(conn: Connection) -> str:
        query = (
            "SELECT id FROM transcription_job WHERE path_mark = :mark AND owner = 'path' "
            "ORDER BY creation_date DESC, id DESC LIMIT 1"
        )
        if conn.dialect.name == "sqlite":
            explain = "EXPLAIN QUERY PLAN "
        else:
            # It goes by what it has counted, and with few rows it would look at them all.
            conn.execute(text("ANALYZE transcription_job"))
            conn.execute(text("SET LOCAL enable_seqscan = off"))
            explain = "EXPLAIN "
        return "\n".join(str(row) for row in conn.execute(text(explain + query), {"mark": path_key(TALK)}))

    assert "ix_job_path" in driver.write(plan)
