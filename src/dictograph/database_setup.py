"""Create the database, or bring it up to date. Only explicit commands do this."""

from __future__ import annotations

import asyncio

from dictograph.blobs.kinds import open_blobs
from dictograph.blobs.marker import has_marker
from dictograph.data_folder import close_data_folder
from dictograph.errors import DatabaseMissing, StorageUnavailable
from dictograph.runtime.private_files import make_private_folder
from dictograph.settings.model import Settings
from dictograph.store.backends.dialects import check_writable, file_of, is_there
from dictograph.store.migrate import upgrade

_BELONGS_TO_ANOTHER = (
    "There is no database, but the storage belongs to one. Check whether its folder is mounted and the settings name "
    "the right one, or restore a backup. To begin with an empty one all the same, run `dictograph db upgrade --init`"
)


def prepare_database(settings: Settings, *, init: bool = False) -> str:
    """Create the database if there is none, migrate it to this version's schema, and return its revision.

    Only the start of a service, `dictograph db upgrade` and commands with `--init` may call this.

    Args:
        settings: the settings.
        init: create it even when the storage belongs to a database.

    Raises:
        DatabaseMissing: there is none, but the storage belongs to one: its folder is not mounted, or the settings name
            another one.
        DatabaseUnavailable, StorageFull: it cannot be created or written to; the first job would fail.
        StorageUnavailable: the storage cannot be read.
        OSError: its folder cannot be made.
    """
    if not init and not is_there(settings.database) and _storage_is_owned(settings):
        raise DatabaseMissing(_BELONGS_TO_ANOTHER, detail=f"{file_of(settings.database)}, {settings.storage_place}")
    make_private_folder(settings.data_dir)
    revision = upgrade(settings.database)
    close_data_folder(settings)
    check_writable(settings.database)
    return revision


def _storage_is_owned(settings: Settings) -> bool:
    storage = settings.storage
    if storage is None:
        return bool(asyncio.run(open_blobs(settings.objects_url, settings.storage_options).notes()))
    try:
        return has_marker(storage)
    except OSError as error:
        raise StorageUnavailable(f"The storage cannot be read: {error.strerror}.", detail=str(storage)) from error
