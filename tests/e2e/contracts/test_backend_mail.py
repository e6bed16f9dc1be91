"""Transcripts by mail; and what the document of the API has in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dictograph.service.compat.backend_mail import Mailer
from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.mail import MailServer, mail_server
from tests.service import service

EMAIL = "POST /api/v1/job/{job_id}/email"
ADDRESS = "reader@example.org"


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory, mail: MailServer) -> Iterator[Backend]:
    url = f"smtp://sender:p%40ss@127.0.0.1:{mail.port}"
    settings = {**SETTINGS, "smtp_url": url, "smtp_from": "dictograph@example.org"}
    with service(tmp_path_factory.mktemp("service"), **settings) as up:
        yield Backend(up)


@pytest.fixture(scope="module")
def job(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return backend.done(write_noise(tmp_path_factory.mktemp("audio") / "Grüße.wav", 2, 1))


def send(backend: Backend, job_id: str, **body: Any) -> requests.Response:
    return backend.session.post(f"{backend.base}/api/v1/job/{job_id}/email", json=body, timeout=30)


@pytest.mark.contract("backend", EMAIL, '200 `{"success": true, "message"}`, and the text is sent')
def test_a_transcript_is_mailed(backend: Backend, mail: MailServer, job: dict[str, Any]) -> None:
    answer = send(backend, job["id"], email=ADDRESS)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "message": f"The transcript was sent to {ADDRESS}."}
    recipient, message = mail.messages[-1]
    assert recipient == ADDRESS
    assert (message["From"], message["To"]) == ("dictograph@example.org", ADDRESS)
    assert message["Subject"] == "Transcript of Grüße.wav"
    assert message.get_content().strip() == job["result_text"]
    assert mail.logins[-1] == "sender p@ss"


@pytest.mark.contract("backend", EMAIL, '200 `{"success": false}` and why, when the server refuses')
def test_an_address_that_the_server_does_not_take(backend: Backend, mail: MailServer, job: dict[str, Any]) -> None:
    mail.unknown.add("nobody@example.org")
    answer = send(backend, job["id"], email="nobody@example.org")
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert "address" in answer.json()["message"]


@pytest.mark.contract("backend", EMAIL, "422 for what is no address, 404 for an unknown job")
def test_what_is_no_address(backend: Backend, mail: MailServer, job: dict[str, Any]) -> None:
    before = len(mail.messages)
    for bad in ("", "nobody", "a@b, c@d", "a@b\r\nBcc: c@d", "<a@b>", "a b@c", "=?utf-8?q?a=0a?=@b", 7, None):
        answer = send(backend, job["id"], email=bad)
        assert answer.status_code == 422, bad
        assert isinstance(answer.json()["detail"], str)
    assert send(backend, "unknown", email=ADDRESS).status_code == 404
    assert len(mail.messages) == before


@pytest.mark.contract("backend", EMAIL, '200 `{"success": false}` when the mail server is away')
def test_a_mail_server_that_is_away() -> None:
    with mail_server() as gone:
        port = gone.port
    mailer = Mailer(f"smtp://127.0.0.1:{port}", "dictograph@example.org")
    sent = asyncio.run(mailer.send(ADDRESS, "Text", "words", client="127.0.0.1"))
    assert not sent.success
    assert "reached" in sent.reason


def test_a_name_that_would_be_a_header_is_none(mail: MailServer) -> None:
    mailer = Mailer(f"smtp://127.0.0.1:{mail.port}", "dictograph@example.org")
    name = "a\nBcc: c@d\u2028\ud800.mp3"
    assert asyncio.run(mailer.send(ADDRESS, f"Transcript of {name}", "words", client="127.0.0.1")).success
    _, message = mail.messages[-1]
    assert message["Subject"] == "Transcript of a Bcc: c@d  .mp3"
    assert message["Bcc"] is None


@pytest.mark.parametrize("end", ["=0D=0A", "=0A", "=0D=0A=0D=0A"])
def test_a_name_that_hides_a_header_in_an_encoded_word_is_none(mail: MailServer, end: str) -> None:
    mailer = Mailer(f"smtp://127.0.0.1:{mail.port}", "dictograph@example.org")
    name = f"=?utf-8?q?a{end}Bcc:=20x@y.z?=.mp3"
    assert asyncio.run(mailer.send(ADDRESS, f"Transcript of {name}", "words", client="127.0.0.1")).success
    _, message = mail.messages[-1]
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]
    assert message["Subject"].startswith("Transcript of = ?utf-8?q?a")
    assert message.get_content().strip() == "words"


def test_a_message_that_cannot_be_written_is_an_answer(mail: MailServer) -> None:
    mailer = Mailer(f"smtp://127.0.0.1:{mail.port}", "dictograph@example.org")
    sent = asyncio.run(mailer.send(ADDRESS, "Text", "half a pair: \ud800", client="127.0.0.1"))
    assert not sent.success


@pytest.mark.contract("backend", EMAIL, '200 `{"success": false}` for more mail than a client may send, or one may get')
def test_nobody_is_flooded(mail: MailServer) -> None:
    mailer = Mailer(f"smtp://127.0.0.1:{mail.port}", "dictograph@example.org")

    async def flood() -> None:
        before = len(mail.messages)
        for number in range(10):
            assert (await mailer.send(f"{number}@example.org", "Text", "words", client="one")).success
        refused = await mailer.send("10@example.org", "Text", "words", client="one")
        assert not refused.success
        assert "try again" in refused.reason
        outcomes = [await mailer.send(ADDRESS, "Text", "words", client=f"client {number}") for number in range(11)]
        assert [sent.success for sent in outcomes] == [True] * 10 + [False]
        assert len(mail.messages) == before + 20

    asyncio.run(flood())


@pytest.mark.contract("backend", "GET /openapi.json", "the routes of this contract, and the native ones")
def test_the_document_describes_all(backend: Backend) -> None:
    document = backend.session.get(f"{backend.base}/openapi.json", timeout=30).json()
    assert document["openapi"].startswith("3.")
    for path in ("/api/v1/audio/get_presigned_url", "/api/v1/job/status/{job_id}", "/v1/transcriptions", "/"):
        assert path in document["paths"]
