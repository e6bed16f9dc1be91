"""The rules for files that this contract takes: size, type, extension."""

from __future__ import annotations

from dictograph.api.backend.responses import FileRefused
from dictograph.settings.model import Settings

#: Taken beside all of audio/*: browsers give these types to files that may have only sound.
_VIDEO = frozenset({"video/mp4", "video/webm", "video/mpeg"})


def check_file(settings: Settings, filename: str, content_type: str, size: int) -> None:
    """Raise FileRefused, with the rule that the file breaks. With an empty type only the extension is checked."""
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
    """Return a content type in the form for comparison: in small letters, without spaces."""
    return "".join(content_type.lower().split())


def _known(settings: Settings) -> set[str]:
    return {extension.lower().lstrip(".") for extension in settings.backend_extensions}
