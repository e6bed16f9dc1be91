"""What is signed here is what others' libraries verify."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from dictograph.webhooks.signing import new_secret, signature, signed_headers


def test_the_specifications_own_example() -> None:
    """From the reference libraries' tests."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.text(st.characters(codec="ascii")))
def test_the_reference_library_verifies_it(text: str) -> None:
    secret, body = new_secret(), f'"{text.encode("unicode_escape").hex()}"'.encode()
    headers = signed_headers("msg_1", int(time.time()), body, [secret])
    assert Webhook(secret).verify(body, headers) == body.decode().strip('"')


def test_both_sign_while_they_overlap_and_no_other() -> None:
    old, new, other = new_secret(), new_secret(), new_secret()
    headers = signed_headers("msg_1", int(time.time()), b"{}", [new, old])
    for secret in (old, new):
        assert Webhook(secret).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(b"{}", headers)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_the_id_and_the_time_are_signed_too(name: str) -> None:
    secret, now = new_secret(), int(time.time())
    headers = signed_headers("msg_1", now, b"{}", [secret])
    forged = {**headers, name: "msg_2" if name == "webhook-id" else str(now + 1)}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(b"{}", forged)


def test_a_secret_is_of_the_form_and_length_that_the_specification_wants() -> None:
    secret = new_secret()
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
    assert secret.startswith("whsec_")
    assert secret != new_secret()
