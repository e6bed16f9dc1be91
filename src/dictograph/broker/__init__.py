"""Messages to and from a broker: the seam between a broker's client, which knows no contract, and the contracts, which
know no client.

The client hands over what it received and is told what is done; the relay of the outbox hands over what is to be sent
and is told what the broker acknowledged. Nothing here may block the event loop.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

#: The headers of a message, in their order. A name may come twice.
Headers = tuple[tuple[str, bytes], ...]


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it was received. `value` is None for a message without a value. `timestamp` is the broker's, in
    seconds since 1970; None when it has none. A header without a value is `b""`."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: float | None = None

    def header(self, name: str) -> bytes | None:
        """Return the last header of this name, as Kafka's own `lastHeader` does; None without one."""
        return next((value for given, value in reversed(self.headers) if given == name), None)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be sent. Messages of one key stay in the order in which they were given to `send`."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """What the broker said of one message. `error` is None when it was acknowledged by as many replicas as `acks`
    asks for. `fatal`: it can never be sent as it is (too large for the topic, a name that is no topic's); every other
    error passes, also one that an operator has to mend, as a missing right: the message is sent again later."""

    error: str | None = None
    fatal: bool = False


class MessageProducer(Protocol):
    """Sends messages."""

    @property
    def max_bytes(self) -> int:
        """Return the most bytes of a message, key and headers included, that the broker is known to take."""
        ...

    async def send(self, messages: Sequence[Outgoing]) -> Sequence[Sent]:
        """Send messages and wait for the word on each: the results are in the order of the messages.

        It ends within the client's own delivery time-out (seconds, not minutes: `deliver_timeout`), also while the
        broker is away; then the messages without a word have an error. One of those may have arrived nevertheless.
        Messages may be sent by several calls at once. Raises nothing but CancelledError.
        """
        ...

    @property
    def deliver_timeout(self) -> float:
        """Return the most seconds that `send` takes. The relay holds its messages for longer than that."""
        ...


class MessageReceiver(Protocol):
    """Takes what a consumer received: a contract. The consumer calls all methods in the event loop.

    `received` is called with one batch at a time; `revoked` and `lost` may be called while it runs.
    """

    async def received(self, messages: Sequence[Incoming]) -> None:
        """Take messages, in the order of their offsets in each partition.

        While this runs, the consumer polls on with all partitions paused, so it may take as long as it likes: until
        the database, the storage or a model is there. A message is unfinished until `MessageConsumer.done` was told of
        it, which may be long after the return. Raises nothing but CancelledError: an error ends the process.
        """
        ...

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """Finish with partitions that another consumer gets: `done` what has ended, and give up the rest.

        The consumer's callback waits for the return, until shortly before `max.poll.interval.ms`, and commits what is
        done by then. The next owner begins only after that. Also called for all partitions before the consumer closes.
        """
        ...

    async def lost(self, partitions: Collection[Partition]) -> None:
        """Learn that partitions were lost (the broker was away): nothing can be committed there, and their messages
        come again, here or elsewhere. Nothing is given up."""
        ...


class MessageConsumer(Protocol):
    """Receives messages of a group's topics, with a thread of its own, for one MessageReceiver.

    It pauses its partitions while `most_unfinished` messages (given when it is made) are unfinished and count, and
    commits for each partition the highest offset below which everything is done.
    """

    def done(self, topic: str, partition: int, offset: int) -> None:
        """Say that a message is done and need not come again. Does nothing for one that is not ours (any more) or was
        done before. Quick, never waits, may be called from any thread."""
        ...

    def uncount(self, topic: str, partition: int, offset: int) -> None:
        """Say that a message is no work: it waits for an acknowledgement alone, and others may come meanwhile. As quick
        as `done`."""
        ...

    @property
    def joined(self) -> bool:
        """Return whether the group was joined and the broker is there."""
        ...

    @property
    def trouble(self) -> str | None:
        """Return in words why messages cannot be received now, with the broker's own reason; None without trouble."""
        ...

    def lag(self) -> dict[Partition, int]:
        """Return for each assigned partition the number of messages that nobody has handled yet, as last known."""
        ...

    async def run(self) -> None:
        """Receive until cancelled. An agent: it ends by itself only by an error of our own."""
        ...
