"""Settings that choose a part by its URL: what no part can be is refused with the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

from dictograph.blobs.kinds import check_storage_url
from dictograph.queue.kinds import check_queue_url
from dictograph.store.backends.schemes import check_database_url


def _if_given(check: Callable[[str], str]) -> Callable[[str], str]:
    """The empty text is the default, which is known to be good."""
    return lambda url: check(url) if url else url


DatabaseUrl = Annotated[str, AfterValidator(_if_given(check_database_url))]
StorageUrl = Annotated[str, AfterValidator(_if_given(check_storage_url))]
QueueUrl = Annotated[str, AfterValidator(check_queue_url)]
