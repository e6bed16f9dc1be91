"""The path service: files of this machine by their path, through a supervised pool of workers.

It listens on all addresses, as the old system did: those who call it are other machines of a cluster. What is open to
them without a key is this contract's routes alone.
"""

from __future__ import annotations

from dictograph.contract import Contract
from dictograph.settings.profiles.table import Alias, Listener, Profile
from dictograph.settings.profiles.values import uploads, whole

PROFILE = Profile(
    contract=Contract.PATH,
    listeners=(Listener("0.0.0.0", 4000),),
    anonymous=("path",),
    defaults={"concurrency": 10, "engine_timeout": 300.0},
    aliases=(
        Alias("UPLOAD_FOLDER", "", "path_upload_dir", uploads, says="its folder `uploads`"),
        Alias("MAX_WORKERS", "10", "concurrency", whole, says="the option `max_workers`, as a variable"),
        Alias(
            "WORKER_TIMEOUT",
            "300",
            "engine_timeout",
            whole,
            says="the option `worker_timeout`, as a variable: seconds in which a batch of windows must be done",
        ),
    ),
)
