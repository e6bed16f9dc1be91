"""Webhooks from a real service to real receivers, which verify them with the library that others use."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from dictograph.cli.main import main
from tests.audio_files import write_noise
from tests.receiver import Answer, Came, Receiver, receiving
from tests.service import ROOT, Service, eventually, service

ENDS = {"completed", "failed", "cancelled"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture(scope="module")
def other() -> Iterator[Receiver]:
    """Another one that may be called."""
    with receiving() as one:
        yield one


@pytest.fixture(scope="module")
def trap() -> Iterator[Receiver]:
    """A receiver that webhooks may not be sent to."""
    with receiving() as one:
        yield one


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver, other: Receiver) -> Iterator[Service]:
    allowed = f"{receiver.authority},{other.authority}"
    # It waits for a receiver that hangs until the test of that is over, on a busy machine too.
    with service(tmp_path_factory.mktemp("webhooks"), webhook_allow=allowed, webhook_timeout="60s") as one:
        yield one


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("audio") / "talk.wav", 2.0, seed=1)


@pytest.fixture(scope="module", autouse=True)
def shaky(house: Service, receiver: Receiver, audio: Path) -> str:
    """A job whose receiver fails once; it has the time of all other tests to be told again."""
    receiver.rules["/shaky"] = lambda came: 503 if came.number == 1 else 200
    return submit(house, audio, receiver.url("/shaky"))


def submit(house: Service, audio: Path, url: str, **options: Any) -> str:
    return house.submit(audio, webhook_url=url, vad_filter="false", **options)


def heard(receiver: Receiver, path: str, count: int = 1, seconds: float = 30) -> list[Came]:
    """What came to a path, once that is enough."""
    return eventually(
        lambda: came if len(came := receiver.at(path)) >= count else None, seconds, f"{count} webhooks at {path}"
    )


def secrets(house: Service) -> list[dict[str, Any]]:
    answer = house.get("/v1/webhooks/secret")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def deliveries(house: Service, **query: Any) -> list[dict[str, Any]]:
    answer = house.get("/v1/webhooks/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def delivered(house: Service, job: str, state: str = "delivered") -> dict[str, Any]:
    """The delivery of a job's end, once it is in that state."""
    return eventually(lambda: next(iter(deliveries(house, job_id=job, state=state)), None), 30, f"{job} is not {state}")


def redeliver(house: Service, delivery: str) -> httpx.Response:
    return house.post(f"/v1/webhooks/deliveries/{delivery}/redeliver")


#: Runs a command on the service's database; gives its exit code, stdout and stderr.
Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(house: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("DICTOGRAPH_DATA_DIR", str(house.data))
    monkeypatch.setenv("DICTOGRAPH_WEBHOOK_ALLOW", str(house.settings["webhook_allow"]))

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit:
            main(arguments)
        printed = capsys.readouterr()
        return int(exit.value.code or 0), printed.out, printed.err

    return run


@pytest.mark.contract("native", "webhook transcription.completed", "signed, verified by standardwebhooks")
@pytest.mark.contract("native", "GET /v1/webhooks/secret", "what a receiver verifies with")
def test_the_end_of_a_job_is_told_and_can_be_verified(house: Service, receiver: Receiver, audio: Path) -> None:
    metadata = {"case": 17, "name": "Größe \U0001f600"}
    job = submit(house, audio, receiver.url("/plain?token=abc"), metadata=json.dumps(metadata))
    [came] = heard(receiver, "/plain?token=abc")
    [secret] = secrets(house)
    told = Webhook(secret["secret"]).verify(came.body, dict(came.headers))
    assert (secret["state"], secret["retires_at"]) == ("current", None)
    assert came.headers["content-type"] == "application/json"
    assert set(told) == {"type", "timestamp", "data"}
    assert told["type"] == "transcription.completed"
    shown = house.job(job)
    shared = ("id", "status", "filename", "metadata", "language", "duration", "engine", "model", "error", "finished_at")
    assert {name: told["data"][name] for name in shared} == {name: shown[name] for name in shared}
    assert told["data"]["metadata"] == metadata
    assert told["data"]["links"] == shown["links"]
    assert "text" not in told["data"]
    assert house.get(told["data"]["links"]["transcript"]).status_code == 200
    assert len(came.body) < 20_000
    log = delivered(house, job)
    assert (log["webhook_id"], log["attempts"], log["status_code"]) == (came.id, 1, 204)
    assert len(receiver.at("/plain?token=abc")) == 1


def test_another_secret_verifies_nothing(house: Service, receiver: Receiver, audio: Path) -> None:
    submit(house, audio, receiver.url("/other"))
    [came] = heard(receiver, "/other")
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(came.body, dict(came.headers))


@pytest.mark.contract("native", "webhook transcription.failed", "with the error, and a null where there is none")
@pytest.mark.contract("native", "webhook transcription.cancelled", "when somebody cancels")
def test_failure_and_cancelling_are_told_too(house: Service, receiver: Receiver, audio: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"this is no audio" * 100)
    failed = submit(house, broken, receiver.url("/failed"))
    [came] = heard(receiver, "/failed")
    assert came.told["type"] == "transcription.failed"
    assert came.told["data"]["error"]["code"] == house.job(failed)["error"]["code"]
    house.behave(delay=0.5)
    job = submit(house, write_noise(tmp_path / "long.wav", 120, seed=3), receiver.url("/cancelled"))
    assert house.post(f"/v1/transcriptions/{job}/cancel").status_code == 200
    house.behave()
    [came] = heard(receiver, "/cancelled")
    assert (came.told["type"], came.job, came.told["data"]["error"]) == ("transcription.cancelled", job, None)


def test_a_receiver_that_hangs_delays_nothing(house: Service, receiver: Receiver, other: Receiver, audio: Path) -> None:
    """Neither its own job, nor those after it, nor what other receivers are told."""
    other.rules["/hangs"] = other.hang
    jobs = [submit(house, audio, other.url("/hangs")) for _ in range(6)]
    heard(other, "/hangs", 4)
    eventually(lambda: all(house.job(job)["status"] == "completed" for job in jobs))
    after = submit(house, audio, receiver.url("/quick"))
    assert house.wait_for(after, 30)["status"] == "completed"
    heard(receiver, "/quick")
    assert house.rows("SELECT count(*) FROM outbox WHERE destination = 'dispatch'") == [(0,)]
    assert len(other.at("/hangs")) == 4
    assert {row["state"] for row in deliveries(house) if row["url"].endswith("/hangs")} == {"pending"}


def test_a_receiver_that_is_gone_is_told_nothing_more(house: Service, receiver: Receiver, audio: Path) -> None:
    receiver.rules["/gone"] = lambda _: 410
    job = submit(house, audio, receiver.url("/gone"))
    log = delivered(house, job, "gone")
    assert (log["attempts"], log["status_code"], log["next_attempt_at"]) == (1, 410, None)
    assert len(receiver.at("/gone")) == 1


def test_a_redirect_to_a_trap_is_not_followed(house: Service, receiver: Receiver, trap: Receiver, audio: Path) -> None:
    def redirect(_: Came) -> Answer:
        return 307, {"location": trap.url("/")}, b""

    receiver.rules["/redirects"] = redirect
    job = submit(house, audio, receiver.url("/redirects"))
    log = eventually(lambda: next((one for one in deliveries(house, job_id=job) if one["attempts"]), None))
    assert (log["state"], log["status_code"]) == ("pending", 307)
    assert "redirects are not followed" in log["last_error"]
    assert trap.came == []


@pytest.mark.contract("native", "POST /v1/transcriptions", "webhook_url that leads inside is 422 at once")
@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:1/", "http://[::1]/", "http://169.254.169.254/", "http://localhost/", "https://10.0.0.1/"),
        *("ftp://example.org/", "http://2130706433/", "http://user:secret@example.org/", "not a URL"),
    ],
)
def test_what_can_be_seen_at_once_is_refused_at_once(house: Service, audio: Path, url: str) -> None:
    before = house.get("/v1/transcriptions").json()
    bodies: list[dict[str, Any]] = [
        {"files": {"file": ("a.wav", audio.read_bytes())}, "data": {"webhook_url": url}},
        {"json": {"url": "https://example.org/a.mp3", "webhook_url": url}},
    ]
    for body in bodies:
        answer = house.post("/v1/transcriptions", **body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["param"] == "webhook_url"
        assert "secret" not in answer.text
    assert house.get("/v1/transcriptions").json() == before


@pytest.mark.contract("native", "GET /v1/webhooks/deliveries", "the log: filters, pages, next attempt")
@pytest.mark.contract("native", "POST /v1/webhooks/deliveries/{delivery_id}/redeliver", "the same id again, at once")
def test_what_was_told_can_be_told_again(house: Service, receiver: Receiver, audio: Path) -> None:
    receiver.rules["/again"] = lambda came: 500 if came.number == 1 else 204
    job = submit(house, audio, receiver.url("/again"))
    [first] = heard(receiver, "/again")
    log = eventually(lambda: next((one for one in deliveries(house, job_id=job) if one["attempts"]), None))
    assert (log["state"], log["status_code"], log["type"]) == ("pending", 500, "transcription.completed")
    assert log["next_attempt_at"] > log["attempted_at"]
    answer = redeliver(house, log["id"])
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    second = heard(receiver, "/again", 2, seconds=3)[1]
    assert delivered(house, job)["attempts"] == 2
    assert redeliver(house, log["id"]).status_code == 202, "what was delivered can be told again as well"
    third = heard(receiver, "/again", 3)[2]
    assert first.id == second.id == third.id == log["webhook_id"]
    assert redeliver(house, "00000000-0000-0000-0000-000000000000").status_code == 404
    assert redeliver(house, "nonsense").status_code == 404


def test_the_log_is_read_page_by_page(house: Service) -> None:
    whole = deliveries(house, limit=200)
    assert len(whole) > 5
    first = house.get("/v1/webhooks/deliveries", params={"limit": 2}).json()
    rest = house.get("/v1/webhooks/deliveries", params={"limit": 200, "cursor": first["next_cursor"]}).json()
    assert [row["id"] for row in first["data"] + rest["data"]] == [row["id"] for row in whole]
    assert rest["next_cursor"] is None
    for bad in ({"cursor": "x"}, {"state": "lost"}, {"limit": 0}):
        assert house.get("/v1/webhooks/deliveries", params=bad).status_code == 422


def test_a_receiver_that_fails_is_told_again_with_the_same_id(house: Service, receiver: Receiver, shaky: str) -> None:
    first, second = heard(receiver, "/shaky", 2)
    assert (first.id, first.body) == (second.id, second.body)
    gap = int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"])
    assert 4 <= gap <= 20, "the attempt's own time is signed"
    for came in (first, second):
        Webhook(secrets(house)[0]["secret"]).verify(came.body, dict(came.headers))
    assert delivered(house, shaky)["attempts"] == 2


@pytest.mark.contract("native", "POST /v1/webhooks/secret/rotate", "both sign while they overlap")
def test_a_secret_is_rotated_without_a_gap(house: Service, receiver: Receiver, audio: Path) -> None:
    [old] = secrets(house)
    answer = house.post("/v1/webhooks/secret/rotate", params={"overlap_seconds": 3600})
    assert answer.headers["cache-control"] == "no-store"
    new, retiring = answer.json()["data"]
    assert (new["state"], retiring["state"], retiring["secret"]) == ("current", "retiring", old["secret"])
    submit(house, audio, receiver.url("/rotated"))
    [came] = heard(receiver, "/rotated")
    for secret in (old["secret"], new["secret"]):
        Webhook(secret).verify(came.body, dict(came.headers))
    assert house.post("/v1/webhooks/secret/rotate", params={"overlap_seconds": 0}).json()["data"] == secrets(house)[:2]
    assert house.post("/v1/webhooks/secret/rotate", params={"overlap_seconds": -1}).status_code == 422


def test_the_command_line_does_all_of_it(
    house: Service, shell: Shell, receiver: Receiver, trap: Receiver, audio: Path
) -> None:
    job = submit(house, audio, receiver.url("/shell"))
    log = delivered(house, job)
    code, out, _ = shell("webhooks", "deliveries", "--job", job)
    assert (code, log["id"] in out, "delivered" in out) == (0, True, True)
    code, out, _ = shell("webhooks", "deliveries", "--job", job, "--json")
    assert json.loads(out)[0]["webhook_id"] == log["webhook_id"]
    code, out, err = shell("webhooks", "redeliver", log["id"], "nonsense")
    assert (code, out, "nonsense" in err) == (1, f"{log['id']} pending\n", True)
    first, second = heard(receiver, "/shell", 2)
    assert first.id == second.id
    code, out, _ = shell("webhooks", "secret", "show")
    assert (code, out.split()[0]) == (0, secrets(house)[0]["secret"])
    code, out, _ = shell("webhooks", "secret", "rotate", "--overlap", "1", "--json")
    assert [one["state"] for one in json.loads(out)][:2] == ["current", "retiring"]
    assert shell("webhooks", "test", receiver.url("/ping"))[:2] == (0, "delivered: 204\n")
    [ping] = receiver.at("/ping")
    assert Webhook(secrets(house)[0]["secret"]).verify(ping.body, dict(ping.headers))["type"] == "webhook.test"
    code, _, err = shell("webhooks", "test", trap.url("/"))
    assert (code, "DICTOGRAPH_WEBHOOK_ALLOW" in err, trap.came) == (2, True, [])


# --- what a kill in between changes: nothing


def test_a_kill_between_the_end_of_a_job_and_the_sending_and_one_before_the_answer(
    tmp_path: Path, receiver: Receiver, audio: Path
) -> None:
    settings = {"webhook_allow": receiver.authority, "webhook_timeout": "1s"}
    one = Service(tmp_path, **settings).start(crash_at="job.completed").wait_until_up()
    try:
        job = submit(one, audio, receiver.url("/killed"))
        eventually(lambda: one.was_killed)
        assert receiver.at("/killed") == []
        one.start().wait_until_up()
        [came] = heard(receiver, "/killed")
        assert (came.job, came.told["type"]) == (job, "transcription.completed")
        assert delivered(one, job)["attempts"] == 1
        assert len(receiver.at("/killed")) == 1
        told_again_after_a_kill(one, receiver, audio)
    finally:
        one.stop()


def told_again_after_a_kill(one: Service, receiver: Receiver, audio: Path) -> None:
    """At least once: the receiver knows the repeat by its id."""

    def kill(came: Came) -> Answer:
        if came.number == 1:
            one.kill()
        return 204

    receiver.rules["/deadly"] = kill
    job = submit(one, audio, receiver.url("/deadly"))
    eventually(lambda: one.was_killed)
    one.start().wait_until_up()
    first, second = heard(receiver, "/deadly", 2)
    assert (first.id, first.body) == (second.id, second.body)
    assert delivered(one, job)["attempts"] == 1


# --- the page that says how


def test_the_receiver_of_the_documentation_works(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "webhooks.md").read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = tmp_path / "receiver.py"
    script.write_text(found[1].replace("9000", str(port)))
    secret = shell("webhooks", "secret", "show")[1].split()[0]
    monkeypatch.setenv("DICTOGRAPH_WEBHOOK_ALLOW", f"127.0.0.1:{port}")
    with subprocess.Popen(
        [sys.executable, "-u", str(script)], env={**os.environ, "WEBHOOK_SECRET": secret},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}/"
            eventually(lambda: shell("webhooks", "test", url)[0] == 0)
            forged = httpx.post(
                url, content=b"{}", headers={"webhook-id": "msg_1", "webhook-timestamp": "1"}, timeout=30
            )
            assert forged.status_code == 400
        finally:
            process.terminate()
        assert process.stdout is not None
        assert "webhook.test" in process.stdout.read()


# --- keys. From the first key on the service asks for one, so nothing comes after this.


def test_a_key_has_a_url_of_its_own_and_sees_its_owners_webhooks_alone(
    house: Service, shell: Shell, receiver: Receiver, audio: Path
) -> None:
    receiver.rules["/ann"] = lambda came: 204 if came.number == 1 else 410
    url = receiver.url("/ann")
    ann = made(shell, "--owner", "ann", "--webhook-url", url)
    bob, reader = made(shell, "--owner", "bob"), made(shell, "--owner", "ann", "--scope", "read")
    job = created(house, ann, audio)
    [came] = heard(receiver, "/ann")
    assert came.job == job
    secret = shell("webhooks", "secret", "show", "--owner", "ann")[1].split()[0]
    Webhook(secret).verify(came.body, dict(came.headers))
    assert asked(house, ann, "GET", "secret").json()["data"][0]["secret"] == secret
    [log] = asked(house, ann, "GET", "deliveries").json()["data"]
    assert (log["job_id"], log["url"]) == (job, url)
    assert asked(house, reader, "GET", "deliveries").json()["data"][0]["id"] == log["id"]
    assert asked(house, bob, "GET", "deliveries").json()["data"] == []
    assert asked(house, bob, "GET", f"deliveries?job_id={job}").json()["data"] == []
    assert asked(house, bob, "POST", f"deliveries/{log['id']}/redeliver").status_code == 404
    assert asked(house, bob, "GET", "secret").json()["data"][0]["secret"] != secret
    for method, path in (("GET", "secret"), ("POST", "secret/rotate"), ("POST", f"deliveries/{log['id']}/redeliver")):
        assert asked(house, reader, method, path).status_code == 403
    assert len(receiver.at("/ann")) == 1
    created(house, ann, audio)
    heard(receiver, "/ann", 2)
    eventually(lambda: asked(house, ann, "GET", "deliveries?state=gone").json()["data"])
    assert [key["webhook_url"] for key in json.loads(shell("keys", "list", "--json")[1])] == [None, None, None]


def made(shell: Shell, *words: str) -> str:
    """A new key."""
    code, out, err = shell("keys", "create", *words, "--json")
    assert code == 0, err
    return str(json.loads(out)["key"])


def asked(house: Service, key: str, method: str, path: str) -> httpx.Response:
    return httpx.request(method, f"{house.base}/v1/webhooks/{path}", headers={"x-api-key": key}, timeout=30)


def created(house: Service, key: str, audio: Path) -> str:
    with audio.open("rb") as file:
        answer = house.post(
            "/v1/transcriptions", files={"file": file}, data={"vad_filter": "false"}, headers={"x-api-key": key}
        )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])
