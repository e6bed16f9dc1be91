"""What of a queue is a message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.celery.transport import Channel, is_message

MESSAGE: dict[str, Any] = {
    "body": "e30=",
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {},
    "properties": {
        "delivery_tag": "a", "body_encoding": "base64", "delivery_info": {"exchange": "", "routing_key": "q"},
    },
}  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*MESSAGE, "x"]), inner, max_size=4),
    max_leaves=12,
)


class Decoding:
    """What a message asks of its channel."""

    Message = Channel.Message
    decode_body = Channel.decode_body
    codecs = Channel.codecs


def test_a_message_is_one() -> None:
    assert is_message(MESSAGE, Decoding())


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(MESSAGE, json_values)) | json_values)
def test_whatever_lies_in_a_queue_raises_nothing(item: Any) -> None:
    is_message(item, Decoding())


@pytest.mark.parametrize("name", ["delivery_tag", "delivery_info"])
def test_a_message_lacks_nothing(name: str) -> None:
    properties = {key: value for key, value in MESSAGE["properties"].items() if key != name}
    assert not is_message({**MESSAGE, "properties": properties}, Decoding())


@pytest.mark.parametrize("body", [17, ["list"]])
def test_a_body_can_be_decoded(body: object) -> None:
    assert not is_message({**MESSAGE, "body": body}, Decoding())
