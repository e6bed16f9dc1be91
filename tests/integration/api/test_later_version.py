"""A job with what a later version wrote into its row, as clients and the command line see it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, update

from dictograph.cli.main import main
from dictograph.formats import FORMATS
from dictograph.store.clock import as_datetime
from dictograph.store.tables import event, job, window
from tests.integration.api.live import FakeWorker, Live

JOBS = "/v1/transcriptions"

OPTIONS = {"language": "tlh-x", "accents": "split", "task": "summarise"}
SEGMENT = {"start": 1.0, "end": 2.0, "text": " heard", "speaker": "A", "words": [{"word": " heard", "pitch": 440}]}


@pytest.fixture
def later(client: httpx.Client, hand: FakeWorker) -> str:
    """A completed job that holds something unknown wherever there can be."""
    id = str(client.post(JOBS, files={"file": ("a.wav", b"x")}).json()["id"])
    hand.finish_one(1)
    rewrite(hand, id)
    told = {"job_id": id, "seq": 1, "type": "hummed", "data": {"tune": "Greensleeves"}}
    hand.database.write_now(lambda c: c.execute(update(event).where(event.c.seq == 1).values(told)))
    result = {"segments": [SEGMENT], "channel": 2}
    hand.database.write_now(lambda c: c.execute(update(window).values(result=result)))
    return id


def rewrite(hand: FakeWorker, id: str) -> None:
    values: dict[str, Any] = {
        "options": OPTIONS,
        "limits": {"max_words": 5},
        "contract": "courier",
        "source_kind": "torrent",
        "warnings": [{"code": "too_loud", "decibels": 120}],
    }
    hand.database.write_now(lambda c: c.execute(update(job).where(job.c.id == id).values(values)))


def test_it_is_shown_with_all_that_its_row_holds(client: httpx.Client, later: str) -> None:
    shown = client.get(f"{JOBS}/{later}").json()
    assert shown["options"] | OPTIONS == shown["options"]
    assert (shown["options"]["beam_size"], shown["source"]["kind"]) == (5, "torrent")
    assert shown["warnings"] == [{"code": "too_loud", "decibels": 120}]
    assert [one["id"] for one in client.get(JOBS).json()["data"]] == [later]
    assert client.get("/v1/status").json()["counts"]["completed"] == 1


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_its_transcript_is_there_in_every_format(client: httpx.Client, later: str, format: str) -> None:
    text = client.get(f"{JOBS}/{later}/transcript", params={"format": format})
    assert text.status_code == 200
    assert "heard" in text.text


def test_its_events_are_streamed_as_they_are(client: httpx.Client, later: str) -> None:
    stream = client.get(f"{JOBS}/{later}/events").text
    assert 'event: hummed\ndata: {"tune":"Greensleeves"}' in stream
    assert "event: completed" in stream


def test_the_schema_says_that_options_may_be_there_that_it_does_not_name(client: httpx.Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    options = schemas["JobView"]["properties"]["options"]
    assert options["additionalProperties"] is True
    assert "beam_size" in options["properties"]


def test_such_an_option_is_refused_on_its_way_in(client: httpx.Client) -> None:
    answer = client.post(JOBS, files={"file": ("a.wav", b"x")}, data={"accents": "split"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_option")


@pytest.mark.parametrize("at", ["server", "database"])
def test_the_command_line_shows_it(api: Live, later: str, at: str, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> str:
        place = ["--server", api.base] if at == "server" else ["--data-dir", str(api.settings.data_dir)]
        with pytest.raises(SystemExit) as end:
            main(["jobs", *arguments, *place])
        assert end.value.code in (0, None)
        return capsys.readouterr().out

    page = run("show", later)
    assert [word for word in ("accents=split", "torrent", "too_loud") if word not in page] == []
    assert [one["id"] for one in json.loads(run("list", "--json"))] == [later]
    assert "word0" in run("watch", later)


def test_a_snapshot_stands_in_for_events_that_are_gone(client: httpx.Client, hand: FakeWorker, later: str) -> None:
    hand.database.write_now(lambda c: c.execute(event.delete().where(event.c.job_id == later)))
    told = {"job_id": later, "seq": 9, "type": "completed", "data": {"mood": "calm"}}
    hand.database.write_now(lambda c: c.execute(insert(event).values(created_at=as_datetime(1.0), **told)))
    stream = client.get(f"{JOBS}/{later}/events").text
    assert "event: snapshot" in stream
    assert '"accents":"split"' in stream
