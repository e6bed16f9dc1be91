"""One attempt: what is sent, what an answer means, and that nobody is called who must not be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from dictograph.net.addresses import AllowList
from dictograph.webhooks.sender import Outcome, WebhookSender, outcome_of
from dictograph.webhooks.signing import new_secret
from tests.certificates import Authority
from tests.integration.audio.site import Resolver
from tests.integration.net import test_ssrf
from tests.integration.net.test_ssrf import ANSWERS, DIRECT, REDIRECTS, Watch
from tests.receiver import Answer, Came, Receiver, receiving

watch = test_ssrf.watch

SECRET = new_secret()
LONG_AGO = "Mon, 01 Jan 1990 00:00:00 GMT"
BODY = b'{"type":"webhook.test"}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def post(url: str, *allow: str, timeout: float = 5.0, resolve: Resolver | None = None) -> Outcome:
    sender = WebhookSender(AllowList.parse(allow, "DICTOGRAPH_WEBHOOK_ALLOW"), timeout)
    if resolve is not None:
        sender.resolve = resolve
    return asyncio.run(sender.post(url, "msg_1", BODY, [SECRET]))


def test_what_is_sent_can_be_verified(receiver: Receiver) -> None:
    outcome = post(receiver.url("/hook?x=1"), receiver.authority)
    assert outcome == Outcome(204)
    [came] = receiver.came
    assert (came.method, came.path) == ("POST", "/hook?x=1")
    assert came.headers["content-type"] == "application/json"
    assert came.headers["webhook-id"] == "msg_1"
    assert Webhook(SECRET).verify(came.body, dict(came.headers)) == {"type": "webhook.test"}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_success(receiver: Receiver, status: int) -> None:
    receiver.rules["/"] = lambda _: status
    assert post(receiver.url("/"), receiver.authority).delivered


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308, 400, 401, 404, 409, 410, 429, 500, 503])
def test_nothing_else_is(receiver: Receiver, status: int) -> None:
    receiver.rules["/"] = lambda _: status
    outcome = post(receiver.url("/"), receiver.authority)
    assert (outcome.delivered, outcome.status, outcome.gone) == (False, status, status == 410)
    assert not outcome.hopeless, "another attempt may help"
    assert str(status) in str(outcome.error)


def test_what_the_receiver_writes_is_not_kept(receiver: Receiver) -> None:
    """It could be anything, if an operator allows addresses inside: what others may read is the status."""
    receiver.rules["/"] = lambda _: (500, {}, b"the secret of another service")
    assert "secret" not in repr(post(receiver.url("/"), receiver.authority))


def test_an_answer_without_end_ends_nothing(receiver: Receiver) -> None:
    receiver.rules["/"] = lambda _: (200, {"content-length": "1000000000"}, b"x" * 100_000)
    assert post(receiver.url("/"), receiver.authority) == Outcome(200)


def test_a_receiver_that_hangs_is_given_up(receiver: Receiver) -> None:
    receiver.rules["/"] = receiver.hang
    outcome = post(receiver.url("/"), receiver.authority, timeout=0.2)
    assert outcome == Outcome(error="The receiver did not answer within 0.2 s.")


def test_one_that_breaks_off_in_the_middle_of_its_answer_has_answered(receiver: Receiver) -> None:
    def half(_: Came) -> Answer:
        return 200, {"content-length": "10"}, b"x"

    receiver.rules["/"] = half
    assert post(receiver.url("/"), receiver.authority).delivered


def test_nobody_there_is_an_error_like_others(receiver: Receiver) -> None:
    outcome = post("http://127.0.0.1:9/", "127.0.0.1:9")
    assert outcome.status is None
    assert "cannot be reached" in str(outcome.error)
    assert not outcome.hopeless


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("120", 120, 120),
        ("in an hour", 3000, 3600),
        *[
            (words, None, None)
            for words in ("", "soon", "-5", "1e5", "nan", "9" * 400, "Mon, 01 Jan 1990 00:00:00 GMT")
        ],
    ],
)
def test_when_the_receiver_wants_to_be_left_alone(said: str, least: float | None, most: float | None) -> None:
    if said == "in an hour":
        said = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    asked = outcome_of(503, said).retry_after
    assert asked is None if least is None or most is None else asked is not None and least <= asked <= most


# --- who must not be called


@pytest.mark.parametrize("url", DIRECT.values(), ids=DIRECT)
def test_an_address_inside_is_not_called(url: str, watch: Watch) -> None:
    outcome = post(url.format(port=watch.port))
    assert (outcome.status, outcome.hopeless) == (None, True)
    assert watch.called == []
    assert watch.nobody_came()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_innocent_name_for_an_address_inside(answer: list[str], scheme: str, watch: Watch) -> None:
    outcome = post(f"{scheme}://innocent.example:{watch.port}/", resolve=Resolver(answer))
    assert outcome.hopeless
    assert watch.called == []
    assert watch.nobody_came()


def _redirect(status: int, to: str) -> Callable[[Came], Answer]:
    return lambda _: (status, {"location": to}, b"")


def test_no_redirect_is_followed(receiver: Receiver, watch: Watch) -> None:
    port = int(receiver.authority.rpartition(":")[2])
    for status in (301, 302, 303, 307, 308):
        for number, location in enumerate(REDIRECTS.values()):
            path = f"/{status}/{number}"
            to = location.format(port=watch.port, own=port).encode("ascii", "replace").decode()
            receiver.rules[path] = _redirect(status, to)
            assert post(receiver.url(path), receiver.authority).status == status
    assert set(watch.called) == {("127.0.0.1", port)}
    assert watch.nobody_came()


def test_a_name_that_is_public_for_the_check_and_loopback_for_the_call(watch: Watch) -> None:
    rebinding = Resolver(["203.0.113.7"], ["127.0.0.1"])
    outcome = post(f"http://rebind.example:{watch.port}/", "203.0.113.0/24", timeout=0.3, resolve=rebinding)
    assert not outcome.delivered
    assert rebinding.asked == ["rebind.example"]
    assert watch.called == [("203.0.113.7", watch.port)]
    assert watch.nobody_came()


def test_a_proxy_of_the_environment_is_not_called(
    receiver: Receiver, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{watch.port}")
    assert post(receiver.url("/"), receiver.authority).delivered
    assert watch.nobody_came()


# --- TLS


def test_the_certificate_must_be_that_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    tls = authority.sign("receiver.example").for_server()
    with receiving(tls) as receiver:
        port = receiver.authority.rpartition(":")[2]

        def call(host: str) -> Outcome:
            return post(f"https://{host}:{port}/", f"{host}:{port}", resolve=Resolver(["127.0.0.1"]))

        unknown = call("receiver.example")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.own.file))
        other, right = call("other.example"), call("receiver.example")
    assert "CERTIFICATE_VERIFY_FAILED" in str(unknown.error)
    assert "CERTIFICATE_VERIFY_FAILED" in str(other.error)
    assert right == Outcome(204)
    assert len(receiver.came) == 1, "nothing was sent before the certificate was believed"
