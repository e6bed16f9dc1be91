"""The limits of memory and processors that a container, or any other control group, sets for this process.

Covers both versions of Linux, at their usual mount points (cgroups(7)). A limit holds for all groups below it. So the
lowest limit counts, of the process's own group and of the groups above it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")
_MOUNTS = "sys/fs/cgroup"

#: Where version 2 is mounted beside version 1.
_UNIFIED = "unified"


def memory_limit(root: Path = _ROOT) -> int | None:
    """Return the bytes of memory that all processes of the group may use together; None: no limit is known.

    `root` is the root of the file system.
    """
    limits = [
        int(words[0])
        for folders, name in ((_own(root, ""), "memory.max"), (_own(root, "memory"), "memory.limit_in_bytes"))
        for folder in folders
        if (words := _numbers(folder / name))
    ]
    return min((limit for limit in limits if limit > 0), default=None)


def cpu_limit(root: Path = _ROOT) -> int | None:
    """Return how many processors the group may use, rounded up; None: no limit is known."""
    shares = [_share(_numbers(folder / "cpu.max")) for folder in _own(root, "")]
    shares += [
        _share(_numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us"))
        for folder in _own(root, "cpu")
    ]
    return min((math.ceil(share) for share in shares if share is not None), default=None)


def _share(times: list[float]) -> float | None:
    """Return the share from the time in each period and the period. Without a limit the time is left out, or is -1."""
    return times[0] / times[1] if len(times) == 2 and min(times) > 0 else None


def _own(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of the groups above it; `controller` is empty for version 2.

    In a container the group may have its name on the host, although only the groups below it are mounted. Then its
    folder does not exist, and the limit is that of the topmost group.
    """
    name = _group(root, controller)
    if name is None:
        return
    mounts = [root / _MOUNTS / controller] if controller else [root / _MOUNTS, root / _MOUNTS / _UNIFIED]
    parts = [part for part in name.split("/") if part]
    for mount in mounts:
        for depth in range(0 if ".." in parts else len(parts), -1, -1):
            yield mount.joinpath(*parts[:depth])


def _group(root: Path, controller: str) -> str | None:
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controller in controllers.split(","):
                return name
    return None


def _numbers(file: Path) -> list[float]:
    """Return the numbers in a file; none if it cannot be read. `max` is not a number."""
    try:
        return [float(word) for word in file.read_text().split() if word != "max"]
    except (OSError, ValueError):
        return []
