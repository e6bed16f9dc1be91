"""How slowly a client may send a body. It is given up when nothing arrives, or next to nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from dictograph.api.error_responses import EncodedBody, RequestTimeout, UploadTooSlow
from dictograph.errors import UploadIncomplete

#: A client's rate is measured over this many seconds of waiting.
WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class BodyRatePolicy:
    """The least rate at which a client must send a body.

    Args:
        idle_timeout: the most seconds in which nothing may arrive.
        min_rate: bytes a second, measured only while the service waits for the client; 0: any rate.
    """

    idle_timeout: float = 60.0
    min_rate: int = 1024

    async def iter_body(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            EncodedBody: the body would have to be decoded first.
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
            # Only waiting counts: the time that the service takes to store a piece is not the client's fault.
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
    """Refuse encoded bodies. If they were decompressed, the stored file could be any number of times larger."""
    for coding in ",".join(request.headers.getlist("content-encoding")).split(","):
        if coding.strip().lower() not in ("", "identity"):
            raise EncodedBody(
                f"The body has `Content-Encoding: {coding.strip()[:40]}`. Send it unencoded, without this header.",
                param="content-encoding",
            )
