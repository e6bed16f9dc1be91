"""Connections that send bodies in chunks of one byte for ever, and come back when they are cut off.

`python -m tests.hostile.tiny_chunks URL COUNT` keeps so many open until it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from urllib.parse import urlsplit

HEAD = (
    b"POST /v1/transcriptions HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=b\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
CHUNKS = b"1\r\nx\r\n" * 43_690


async def attack(host: str, port: int) -> None:
    """One connection after the other."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            answered = asyncio.ensure_future(reader.read())
            try:
                writer.write(HEAD)
                while not answered.done():
                    writer.write(CHUNKS)
                    await writer.drain()
            finally:
                writer.close()
                await asyncio.wait({answered})


async def main(url: str, count: int) -> None:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    await asyncio.gather(*(attack(parts.hostname, parts.port) for _ in range(count)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
