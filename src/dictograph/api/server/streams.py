"""Streamed answers. They use no resources once their client has gone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, suppress

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Send

_BLOCK = 32 * 1024


class Stream(StreamingResponse):
    """A streamed answer that closes its source at its end, and does not leave that to the garbage collector."""

    def __init__(
        self, content: AsyncGenerator[bytes, None], media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._content = content

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._content):
            await super().stream_response(send)


async def in_blocks(pieces: Iterator[str]) -> AsyncGenerator[bytes, None]:
    """Yield pieces of text, made in a thread, as UTF-8. Blocks are large enough to be worth the switch of threads."""
    while block := await run_in_threadpool(_block, pieces):
        yield block


def _block(pieces: Iterator[str]) -> bytes:
    block = bytearray()
    with suppress(StopIteration):
        while len(block) < _BLOCK:
            block += next(pieces).encode()
    return bytes(block)
