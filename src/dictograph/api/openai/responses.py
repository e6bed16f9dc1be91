"""The bodies of answers, by `response_format`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from dictograph.api.openai.fields import AudioRequest
from dictograph.api.server.streams import in_blocks
from dictograph.job import Job
from dictograph.service.services import Services
from dictograph.service.transcripts import OpenTranscript


async def body_of(services: Services, job: Job, asked: AudioRequest) -> AsyncGenerator[bytes, None]:
    """Yield the transcript of a completed job. Raises NotFound when the job was deleted."""
    ruled = asked.rules is not None and asked.format.by_rule is not None
    opened = await services.transcripts.open(job.owner, job.id, words=ruled)
    async for block in in_blocks(_pieces(asked, opened)):
        yield block


def _pieces(asked: AudioRequest, opened: OpenTranscript) -> Iterator[str]:
    if asked.rules is not None and asked.format.by_rule is not None:
        return asked.format.by_rule(opened.head, opened.segments, asked.rules)
    return asked.format.render(opened.head, opened.segments, asked.words)
