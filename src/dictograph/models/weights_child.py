"""The process that fetches weights, so that a hung connection or its heavy imports never touch the service.

    request                                   answers
    {"do": "fetch", "repository", "revision", {"state": "ready"} once its imports are done, then
     "folder", "patience", "check"}           {"state": "listed", "total", "revision"}, then
                                              {"state": "fetching", "done", "total"} …, last
                                              {"state": "done", "path", "revision"}
    {"do": "cuda"}                            {"devices": N}

`patience` is the time in seconds that the hub may take to answer; with `check` the blobs in the cache
are first compared with their checksums. Errors: `model_unavailable`; `model_out_of_reach` when the reason may pass.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dictograph.child.frames import Frame
from dictograph.child.loop import ChildError, serve
from dictograph.models.download import fetch, remove_damaged
from dictograph.models.hf_cache import Cache
from dictograph.models.listing import CannotFetch, CannotFetchNow, Listing, list_remote

_REPORT_EVERY_S = 0.2


def handle(request: Frame) -> Iterator[Frame]:
    """Answer one request of the parent."""
    if request.header["do"] == "cuda":
        yield Frame({"devices": _cuda_devices()})
        return
    try:
        yield from _fetch(request.header)
    except CannotFetch as error:
        raise ChildError(error.code, str(error)) from error


def _fetch(request: dict[str, Any]) -> Iterator[Frame]:
    import huggingface_hub.hf_api  # noqa: F401 - imported here, so that the import does not count against the hub's time

    yield Frame({"state": "ready"})
    cache, revision = Cache(Path(request["folder"])), request["revision"]
    listing = list_remote(request["repository"], revision, request["patience"])
    yield Frame({"state": "listed", "total": listing.size, "revision": listing.commit})
    if request["check"]:
        remove_damaged(listing, cache)
    yield from _progress(listing, cache, revision)
    snapshot = cache.snapshot(listing.repository, listing.commit)
    if snapshot is None:
        raise CannotFetchNow(f"the weights of {listing.repository} vanished while they were fetched")
    yield Frame({"state": "done", "path": str(snapshot.path), "revision": snapshot.revision})


def _progress(listing: Listing, cache: Cache, revision: str) -> Iterator[Frame]:
    """Yield a report for every hundredth, or when 0.2 s have passed since the last one."""
    last_time, last_done = 0.0, 0
    for done in fetch(listing, cache, revision):
        if time.monotonic() - last_time >= _REPORT_EVERY_S or (done - last_done) * 100 >= listing.size:
            last_time, last_done = time.monotonic(), done
            yield Frame({"state": "fetching", "done": done, "total": listing.size})


def _cuda_devices() -> int:
    import ctranslate2

    return int(ctranslate2.get_cuda_device_count())


if __name__ == "__main__":
    sys.exit(serve(handle))
