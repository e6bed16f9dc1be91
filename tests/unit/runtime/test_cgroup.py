"""What a container leaves of the machine, told by files made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from dictograph.engine import sizing as engine_sizing
from dictograph.engine.sizing import Sizing, cores, engine_memory, sizing, whole_memory
from dictograph.runtime.cgroup import cpu_limit, memory_limit

GIB = 2**30
UNIFIED = "0::/\n"
NESTED = "0::/system.slice/dictograph.service\n"
#: As systemd has it beside version 2, and as a container without a name space of its own sees it.
OLD = "9:memory:/docker/1f\n7:cpu,cpuacct:/docker/1f\n1:name=systemd:/docker/1f\n0::/docker/1f\n"
SLICE = "system.slice"
SERVICE = f"{SLICE}/dictograph.service"


def made(root: Path, group: str | None, files: Mapping[str, str]) -> Path:
    """A file system in which this process belongs to the group, with files below `/sys/fs/cgroup`."""
    if group is not None:
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("group", "files", "limit"),
    [
        (UNIFIED, {"memory.max": f"{2 * GIB}"}, 2 * GIB),
        (UNIFIED, {"memory.max": "max"}, None),
        (UNIFIED, {}, None),
        (NESTED, {f"{SERVICE}/memory.max": f"{GIB}", f"{SLICE}/memory.max": "max"}, GIB),
        (NESTED, {f"{SERVICE}/memory.max": f"{3 * GIB}", f"{SLICE}/memory.max": f"{2 * GIB}"}, 2 * GIB),
        (NESTED, {f"{SERVICE}/memory.max": "max", "other.slice/memory.max": f"{GIB}"}, None),
        ("0::/../elsewhere\n", {"memory.max": f"{GIB}"}, GIB),
        (OLD, {"memory/docker/1f/memory.limit_in_bytes": f"{GIB}"}, GIB),
        (OLD, {"memory/memory.limit_in_bytes": f"{GIB}"}, GIB),  # only what is below the container's is mounted
        (OLD, {"unified/docker/1f/memory.max": f"{GIB}"}, GIB),
        (OLD, {"memory/docker/1f/memory.limit_in_bytes": "broken"}, None),
        (None, {"memory.max": f"{GIB}"}, None),
    ],
)
def test_the_least_limit_of_the_group_and_those_above_counts(
    tmp_path: Path, group: str | None, files: Mapping[str, str], limit: int | None
) -> None:
    root = made(tmp_path, group, files)
    assert memory_limit(root) == limit
    assert whole_memory(root) == min(limit or GIB * 2**20, psutil.virtual_memory().total)


@pytest.mark.parametrize(
    ("group", "files", "limit"),
    [
        (UNIFIED, {"cpu.max": "100000 100000"}, 1),
        (UNIFIED, {"cpu.max": "150000 100000"}, 2),
        (UNIFIED, {"cpu.max": "20000 100000"}, 1),
        (UNIFIED, {"cpu.max": "max 100000"}, None),
        (NESTED, {f"{SERVICE}/cpu.max": "max 100000", f"{SLICE}/cpu.max": "300000 100000"}, 3),
        (OLD, {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "50000"}, 2),
        (OLD, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (None, {}, None),
    ],
)
def test_a_share_of_processor_time_is_as_good_as_so_many_processors(
    tmp_path: Path, group: str | None, files: Mapping[str, str], limit: int | None
) -> None:
    root = made(tmp_path, group, files)
    assert cpu_limit(root) == limit
    assert cores(root) == min(limit or 1000, cores(tmp_path / "nowhere"))


def test_batches_and_the_engines_memory_follow_from_the_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = made(tmp_path, UNIFIED, {"memory.max": f"{GIB}", "cpu.max": "100000 100000"})
    monkeypatch.setattr(engine_sizing, "_ROOT", root)
    assert sizing("cpu") == Sizing(threads=1, decoders=1, batch=1)
    assert engine_memory() == GIB * 3 // 4
    assert engine_memory(5 * GIB) == 5 * GIB
