"""The bodies of answers, by `response_format`."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from dictograph.api.openai.fields import AudioRequest
from dictograph.api.server.streams import in_blocks
from dictograph.job import Job
from dictograph.service.services import Services


async def body_of(services: Services, job: Job, asked: AudioRequest) -> AsyncGenerator[bytes, None]:
    """Yield the transcript of a completed job. Raises NotFound when the job was deleted."""
    opened = await services.transcripts.open(job.owner, job.id)
    async for block in in_blocks(asked.format.render(opened.head, opened.segments, asked.words)):
        yield block
