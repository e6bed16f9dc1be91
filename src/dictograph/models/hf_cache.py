"""The names of Whisper models, and the folders of their weights: Hugging Face's cache, read without its library.

The cache is `FOLDER/models--OWNER--NAME/` with `blobs/` (named by checksum), `snapshots/COMMIT/`
(links to blobs) and `refs/main` (the commit that "main" was last seen at), as documented under
"Understand caching" in the manual of huggingface_hub. Reading it takes microseconds; importing the
library takes a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dictograph.errors import InvalidOption

#: Whisper's sizes and the repositories of their converted weights; the same as faster-whisper's.
SIZES: Mapping[str, str] = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}

#: A folder without these files is no converted Whisper model; one of the two forms of the vocabulary is enough.
REQUIRED = ("config.json", "tokenizer.json", "model.bin")
VOCABULARIES = ("vocabulary.json", "vocabulary.txt")

#: Variables that forbid to use the hub.
OFFLINE_NAMES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_PASSED_ON = (
    *("HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "HUGGING_FACE_HUB_TOKEN", *OFFLINE_NAMES),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HOME", "USERPROFILE", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Weights that are here: their folder, and the exact revision (a commit, or a folder's digest)."""

    path: Path
    revision: str


def is_folder(model: str) -> bool:
    """Return whether the name is that of a local folder: it can only be a path, or there are weights in it."""
    if model in SIZES:
        return False
    return model.startswith(("/", "./", "../", "~")) or (Path(model) / "model.bin").is_file()


def folder_of(model: str) -> Path:
    """Return the folder that `model` names."""
    return Path(model).expanduser().absolute()


def repository(model: str) -> str:
    """Return the Hugging Face repository of a size or repository id.

    Raises:
        InvalidOption: the name is neither.
    """
    if model in SIZES:
        return SIZES[model]
    owner, slash, name = model.partition("/")
    if slash and owner and name and not set(model) - _REPOSITORY_SIGNS and ".." not in model:
        return model
    raise InvalidOption(
        f"There is no Whisper model {model!r}: give a size ({', '.join(SIZES)}), "
        "the id of a Hugging Face repository (OWNER/NAME), or the path of a folder."
    )


_REPOSITORY_SIGNS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")


def missing_files(folder: Path) -> list[str]:
    """Return the files that a converted Whisper model needs and `folder` lacks."""
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in VOCABULARIES):
        missing.append(VOCABULARIES[0])
    return missing


def cache_folder(models_dir: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of weights: `models_dir`, else the folder that Hugging Face's library would use."""
    environment = os.environ if environment is None else environment
    if models_dir is not None:
        return models_dir
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := environment.get(name):
            return _expanded(value)
    if home := environment.get("HF_HOME"):
        return _expanded(home) / "hub"
    return _expanded(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def child_environment() -> dict[str, str]:
    """Return the variables for a process that fetches weights: the hub, its token, proxies, certificates."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    quiet = ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_DISABLE_UPDATE_CHECK")
    return {**passed, **dict.fromkeys(quiet, "1")}


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder in the layout of Hugging Face's cache."""

    folder: Path

    def storage(self, repository: str) -> Path:
        """Return the folder of one repository."""
        return self.folder / ("models--" + repository.replace("/", "--"))

    def lock(self, repository: str) -> Path:
        """Return the lock file: a process that fetches into the repository's folder holds a lock on it."""
        return self.folder / ".locks" / self.storage(repository).name / "dictograph.lock"

    def snapshot(self, repository: str, revision: str = "main") -> Snapshot | None:
        """Return the complete weights of a revision (a branch or commit), or None."""
        storage = self.storage(repository)
        try:
            commit = (storage / "refs" / revision).read_text(encoding="ascii").strip()
        except OSError:
            commit = revision
        path = storage / "snapshots" / commit
        return None if missing_files(path) else Snapshot(path, commit)

    def repositories(self) -> Iterator[str]:
        """Return every repository of which the cache has the complete weights of a Whisper model."""
        for path in sorted(self.folder.glob("models--*--*")):
            repository = path.name.removeprefix("models--").replace("--", "/", 1)
            if self.snapshot(repository) is not None:
                yield repository


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser()
