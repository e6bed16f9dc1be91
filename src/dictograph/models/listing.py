"""List the files of a model on a Hugging Face hub: the exact revision, and the size and checksum of each file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatch

from dictograph.models.hf_cache import REQUIRED, VOCABULARIES

_MODEL_FILES = ("config.json", "preprocessor_config.json", "tokenizer.json", "vocabulary.*", "model.bin")
_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # only a checksum of this form may name a file


class CannotFetch(Exception):
    """The weights cannot be fetched. The message gives the reason for a person; `code` is the child's error code."""

    code = "model_unavailable"


class CannotFetchNow(CannotFetch):
    """The weights cannot be fetched for a reason that may pass by itself."""

    code = "model_out_of_reach"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository: its name, its size in bytes, its checksum (SHA-256, or git's SHA-1)."""

    name: str
    size: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The exact revision and the files of a model's repository, the largest last."""

    repository: str
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def list_remote(repository: str, revision: str, timeout: float) -> Listing:
    """Ask the hub which files make up a revision (a branch or a commit).

    Raises:
        CannotFetch: the hub has no model of this name, or it must not be called.
        CannotFetchNow: the hub does not answer.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        found = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=timeout)
    except OfflineModeIsEnabled as error:
        raise CannotFetch("HF_HUB_OFFLINE forbids fetching") from error
    except GatedRepoError as error:
        raise CannotFetch(f"{repository} is gated: accept its terms, and set HF_TOKEN") from error
    except RepositoryNotFoundError as error:
        raise CannotFetch(f"the hub has no model {repository}, or HF_TOKEN does not open it") from error
    except Exception as error:  # the library uses one of two HTTP libraries, depending on its version
        raise CannotFetchNow(f"the hub cannot be reached ({brief(error)})") from error
    siblings = [s for s in found.siblings or () if _is_model_file(s.rfilename)]
    _check_whole(repository, {s.rfilename for s in siblings})
    files = [_remote_file(repository, s.rfilename, s.size, s.lfs.sha256 if s.lfs else s.blob_id) for s in siblings]
    files.sort(key=lambda file: (file.name == "model.bin", file.name))
    return Listing(repository, _checked(repository, found.sha), tuple(files))


def brief(error: BaseException) -> str:
    """Return an error in a few words."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _remote_file(repository: str, name: str, size: int | None, checksum: str | None) -> RemoteFile:
    if size is None:
        raise CannotFetch(f"the hub gives no size for {name} of {repository}")
    return RemoteFile(name, size, _checked(repository, checksum))


def _checked(repository: str, checksum: str | None) -> str:
    if not checksum or not _CHECKSUM.fullmatch(checksum):
        raise CannotFetch(f"the hub gives no checksums for {repository} that can be used")
    return checksum


def _is_model_file(name: str) -> bool:
    return "/" not in name and any(fnmatch(name, pattern) for pattern in _MODEL_FILES)


def _check_whole(repository: str, names: set[str]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if not names & set(VOCABULARIES):
        missing.append(VOCABULARIES[0])
    if missing:
        raise CannotFetch(f"{repository} is no Whisper model converted for CTranslate2: it has no {', '.join(missing)}")
