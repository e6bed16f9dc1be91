"""Download weights from a Hugging Face hub into its cache: resumed after an interruption, and checked.

The hub's own library lists the files and knows about tokens and mirrors. The bytes are fetched
here, because the library (2.4) starts a file again from nothing when its process was killed, and
does not compare the received bytes with the hub's checksums.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from dictograph.models.checksum import matches
from dictograph.models.hf_cache import Cache
from dictograph.models.listing import CannotFetchNow, Listing, RemoteFile, brief

_PART = ".dictograph.incomplete"
_LOCK_POLL_S = 0.5
_TRIES = 5
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_TIMEOUT = httpx.Timeout(20.0)


def fetch(listing: Listing, cache: Cache, revision: str) -> Iterator[int]:
    """Download a revision's files into the cache; yield the number of bytes that are there so far.

    If another process fetches the same repository, wait for it; the files that it fetched are not
    fetched again. Afterwards `cache.snapshot(repository, revision)` is complete.

    Raises:
        CannotFetchNow: the connection failed too often, a file arrived damaged twice, the disk is full.
    """
    storage = cache.storage(listing.repository)
    blobs = storage / "blobs"
    try:
        blobs.mkdir(parents=True, exist_ok=True)
        for waiting in _locked(cache.lock(listing.repository)):
            if waiting:
                yield _bytes_here(listing, blobs)
                continue
            _check_room(listing, blobs)
            yield from _fetch_all(listing, blobs)
            publish(listing, storage, revision)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CannotFetchNow(f"the weights cannot be written (DICTOGRAPH_MODELS_DIR): {reason}") from error


def remove_damaged(listing: Listing, cache: Cache) -> list[str]:
    """Remove blobs that do not match their checksum, so that `fetch` downloads them again. Return their names."""
    blobs = cache.storage(listing.repository) / "blobs"
    damaged = [f for f in listing.files if (b := blobs / f.checksum).is_file() and not matches(b, f.checksum)]
    for file in damaged:
        (blobs / file.checksum).unlink(missing_ok=True)
    return [file.name for file in damaged]


def _locked(path: Path) -> Iterator[bool]:
    """Yield True while another process has the lock, then False once, holding it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                yield True
                time.sleep(_LOCK_POLL_S)
        yield False


def _bytes_here(listing: Listing, blobs: Path) -> int:
    return sum(_size(blobs / file.checksum) or _size(blobs / (file.checksum + _PART)) for file in listing.files)


def _check_room(listing: Listing, blobs: Path) -> None:
    needed = listing.size - _bytes_here(listing, blobs)
    free = shutil.disk_usage(blobs).free
    if needed > free:
        raise CannotFetchNow(
            f"{listing.repository} needs {needed >> 20} MiB more, and {blobs} has {free >> 20} MiB free"
        )


def _fetch_all(listing: Listing, blobs: Path) -> Iterator[int]:
    done = 0
    with _client() as client:
        for file in listing.files:
            for there in _fetch_file(client, listing, file, blobs):
                yield done + there
            done += file.size
    yield done


def _fetch_file(client: httpx.Client, listing: Listing, file: RemoteFile, blobs: Path) -> Iterator[int]:
    blob, part = blobs / file.checksum, blobs / (file.checksum + _PART)
    for attempt in (1, 2):
        if blob.is_file():
            return
        yield from _complete(client, listing, file, part)
        if matches(part, file.checksum):
            part.rename(blob)
            return
        part.unlink()
        if attempt == 2:
            raise CannotFetchNow(f"{file.name} of {listing.repository} arrived damaged, twice")


def _complete(client: httpx.Client, listing: Listing, file: RemoteFile, part: Path) -> Iterator[int]:
    """Append to `part` until it has the file's size, with new connections as long as each of them brings new bytes."""
    failures = 0
    part.touch()
    while (there := _size(part)) < file.size:
        problem = "the connection was closed"
        try:
            yield from _append(client, _url(listing, file), part, there)
        except httpx.HTTPError as error:
            problem = brief(error)
            if isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in _TRY_AGAIN:
                failures = _TRIES
        failures = 0 if _size(part) > there else failures + 1
        if failures >= _TRIES:
            raise CannotFetchNow(f"{file.name} of {listing.repository} stopped coming ({problem})")
        if failures:
            time.sleep(min(0.25 * 2**failures, 5))


def _append(client: httpx.Client, url: str, part: Path, offset: int) -> Iterator[int]:
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    with client.stream("GET", url, headers=headers) as response, open(part, "ab", buffering=0) as out:
        response.raise_for_status()
        if offset and response.status_code != httpx.codes.PARTIAL_CONTENT:
            out.truncate(0)  # the server does not resume
        for chunk in response.iter_bytes():
            out.write(chunk)
            yield out.tell()
        os.fsync(out.fileno())


def publish(listing: Listing, storage: Path, revision: str) -> None:
    """Give the blobs their names under `snapshots`, and the branch its commit."""
    snapshot = storage / "snapshots" / listing.commit
    for file in listing.files:
        link = snapshot / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        target = Path(os.path.relpath(storage / "blobs" / file.checksum, link.parent))
        _replace(link, target)
    if revision != listing.commit:
        ref = storage / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        new = ref.with_name(f"{ref.name}.{os.getpid()}.new")
        new.write_text(listing.commit, encoding="ascii")
        new.replace(ref)


def _replace(link: Path, target: Path) -> None:
    new = link.with_name(f"{link.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


@contextmanager
def _client() -> Iterator[httpx.Client]:
    from huggingface_hub import get_token

    headers = {"Accept-Encoding": "identity"}  # lengths and offsets are to be those of the file
    if token := get_token():
        headers["Authorization"] = f"Bearer {token}"
    with httpx.Client(headers=headers, timeout=_TIMEOUT, follow_redirects=True) as client:
        yield client


def _url(listing: Listing, file: RemoteFile) -> str:
    from huggingface_hub import hf_hub_url

    return str(hf_hub_url(listing.repository, file.name, revision=listing.commit))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
