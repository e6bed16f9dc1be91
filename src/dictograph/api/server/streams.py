"""Answers that come bit by bit, and stop costing anything as soon as their client has gone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, suppress

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Send

_BLOCK = 32 * 1024


class Stream(StreamingResponse):
    """A streamed answer whose source is closed with it, not when the collector comes round."""

    def __init__(
        self, content: AsyncGenerator[bytes, None], media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._content = content

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._content):
            await super().stream_response(send)


async def in_blocks(pieces: Iterator[str]) -> AsyncGenerator[bytes, None]:
    """Pieces of text, made in a thread, as UTF-8 in blocks worth a trip to the thread and back."""
    while block := await run_in_threadpool(_block, pieces):
        yield block


def _block(pieces: Iterator[str]) -> bytes:
    block = bytearray()
    with suppress(StopIteration):
        while len(block) < _BLOCK:
            block += next(pieces).encode()
    return bytes(block)
