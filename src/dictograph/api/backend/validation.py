"""What a file must be to be taken by this contract: its size, its type, its extension."""

from __future__ import annotations

from dictograph.api.backend.responses import FileRefused
from dictograph.settings.model import Settings

#: Beside all of audio/*: what browsers say of files that may hold no more than sound.
_VIDEO = frozenset({"video/mp4", "video/webm", "video/mpeg"})


def check_file(settings: Settings, filename: str, content_type: str, size: int) -> None:
    """Raises FileRefused, which says which rule it breaks. An empty type leaves it to the extension."""
    largest = settings.backend_max_upload
    if size < 1:
        raise FileRefused("The file is empty.", param="file_size")
    if size > largest:
        raise FileRefused(f"The file is larger than {largest / 2**20:g} MB, the most that is taken.", param="file_size")
    kind = plain_type(content_type).partition(";")[0]
    if kind and kind not in _VIDEO and not (kind.startswith("audio/") and kind != "audio/"):
        raise FileRefused("The file is of a type that is not taken: send audio.", param="content_type")
    stem, dot, extension = filename.rpartition(".")
    if not (stem and dot) or extension.lower() not in _known(settings):
        raise FileRefused(
            f"The file's name has an extension that is not taken. Taken are: {', '.join(settings.backend_extensions)}.",
            param="filename",
        )


def plain_type(content_type: str) -> str:
    """A content type in the form in which two are compared: in small letters, without spaces."""
    return "".join(content_type.lower().split())


def _known(settings: Settings) -> set[str]:
    return {extension.lower().lstrip(".") for extension in settings.backend_extensions}
