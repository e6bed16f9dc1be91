"""How slowly a client may send a body: it is given up when nothing comes, and when next to nothing comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from dictograph.api.error_responses import EncodedBody, RequestTimeout, UploadTooSlow
from dictograph.errors import UploadIncomplete

#: Over so many seconds of waiting a client's rate is measured.
WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class BodyRatePolicy:
    """What is asked of a client that sends a body.

    Args:
        idle_timeout: the most seconds in which nothing comes.
        min_rate: bytes a second, while it is the client that is waited for; 0: any rate.
    """

    idle_timeout: float = 60.0
    min_rate: int = 1024

    async def iter_body(self, request: Request) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            EncodedBody: it would have to be decoded first.
            RequestTimeout: nothing came for too long.
            UploadTooSlow: too little came for too long.
            UploadIncomplete: the client has gone.
        """
        _check_encoding(request)
        stream, waited, size = request.stream(), 0.0, 0
        while True:
            began = time.monotonic()
            piece = await self._next(stream)
            if piece is None:
                return
            # Only waiting counts: what the service takes to put a piece away is not the client's fault.
            waited, size = waited + time.monotonic() - began, size + len(piece)
            if waited >= WINDOW_S:
                self._check(size / waited)
                waited, size = 0.0, 0
            yield piece

    async def _next(self, stream: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout(self.idle_timeout):
                return await anext(stream, None)
        except TimeoutError as error:
            raise RequestTimeout(f"Nothing of the request came for {self.idle_timeout:g} s.") from error
        except ClientDisconnect as error:
            raise UploadIncomplete("The connection ended before the request did.") from error

    def _check(self, rate: float) -> None:
        if rate < self.min_rate:
            raise UploadTooSlow(
                f"The request came at {rate:.0f} bytes a second; the least that this service waits for is "
                f"{self.min_rate} (DICTOGRAPH_UPLOAD_MIN_RATE)."
            )


def _check_encoding(request: Request) -> None:
    """Nothing is decompressed: what is stored would be larger by any factor than what was sent."""
    for coding in ",".join(request.headers.getlist("content-encoding")).split(","):
        if coding.strip().lower() not in ("", "identity"):
            raise EncodedBody(
                f"The body has `Content-Encoding: {coding.strip()[:40]}`. Send it unencoded, without this header.",
                param="content-encoding",
            )
