"""What a container, or any other control group, leaves to this process of the machine's memory and processors.

Both versions that Linux has, at the places where they are commonly mounted (cgroups(7)). A limit holds for all groups
below it, so the least of one's own and of those above it counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")
_MOUNTS = "sys/fs/cgroup"

#: Beside version 1, version 2 is mounted here.
_UNIFIED = "unified"


def memory_limit(root: Path = _ROOT) -> int | None:
    """Bytes of memory that all processes of the group may have together; None: no limit is known.

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
    """How many processors' time the group may take, a begun one counted; None: no limit is known."""
    shares = [_share(_numbers(folder / "cpu.max")) for folder in _own(root, "")]
    shares += [
        _share(_numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us"))
        for folder in _own(root, "cpu")
    ]
    return min((math.ceil(share) for share in shares if share is not None), default=None)


def _share(times: list[float]) -> float | None:
    """From the time in each period and the period; the time is left out, or -1, where there is no limit."""
    return times[0] / times[1] if len(times) == 2 and min(times) > 0 else None


def _own(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's group and of those above it; `controller` is empty for version 2.

    In a container the group may be named as the machine knows it, though only what is below it is mounted: then its
    folder is not there, and the limit is that of the topmost one.
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
    """The numbers in a file: none where it cannot be read; `max` is none."""
    try:
        return [float(word) for word in file.read_text().split() if word != "max"]
    except (OSError, ValueError):
        return []
