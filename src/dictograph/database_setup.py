"""Making the database, or bringing it up to date: only where somebody asked for it."""

from __future__ import annotations

from pathlib import Path

from dictograph.blobs.marker import has_marker
from dictograph.data_folder import close_data_folder
from dictograph.errors import DatabaseMissing, StorageUnavailable
from dictograph.runtime.private_files import make_private_folder
from dictograph.settings.model import Settings
from dictograph.store.backends.dialects import check_writable, file_of, is_there
from dictograph.store.migrate import upgrade

_BELONGS_TO_ANOTHER = (
    "There is no database, but the storage belongs to one. Look whether its folder is mounted and the settings name "
    "the right one, or restore a backup. To begin with an empty one all the same, run `dictograph db upgrade --init`"
)


def prepare_database(settings: Settings, *, init: bool = False) -> str:
    """Make the database if there is none, bring it to this version's schema, and return its revision.

    Only the start of a service, `dictograph db upgrade` and what was told `--init` may call this.

    Args:
        settings: the settings.
        init: make it also where the storage belongs to a database.

    Raises:
        DatabaseMissing: there is none, and the storage belongs to one: it is not mounted, or another one is named.
        DatabaseUnavailable, StorageFull: it cannot be, or may only be read: that would break down with the first job.
        StorageUnavailable: the storage cannot be asked.
        OSError: its folder cannot be made.
    """
    if not init and not is_there(settings.database) and _storage_is_owned(settings.storage):
        raise DatabaseMissing(_BELONGS_TO_ANOTHER, detail=f"{file_of(settings.database)}, {settings.storage}")
    make_private_folder(settings.data_dir)
    revision = upgrade(settings.database)
    close_data_folder(settings)
    check_writable(settings.database)
    return revision


def _storage_is_owned(storage: Path) -> bool:
    try:
        return has_marker(storage)
    except OSError as error:
        raise StorageUnavailable(f"The storage cannot be read: {error.strerror}.", detail=str(storage)) from error
