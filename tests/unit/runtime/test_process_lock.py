"""Who ended without leaving is known by the lock that the kernel freed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dictograph.runtime.process_lock import ProcessLock

HOLD = """
import sys
from pathlib import Path
from dictograph.runtime.process_lock import ProcessLock
presence = ProcessLock(Path(sys.argv[1]))
print(presence.id, flush=True)
sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_the_living_are_not_dead_and_the_killed_are_until_forgotten(tmp_path: Path) -> None:
    mine = ProcessLock(tmp_path / "processes")
    with holder(tmp_path / "processes") as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert list(mine.dead()) == []
        other.kill()
    assert list(mine.dead()) == [name]
    assert list(mine.dead()) == [name]
    mine.forget(name)
    assert list(mine.dead()) == []
    mine.close()


def test_who_leaves_leaves_nothing(tmp_path: Path) -> None:
    mine, other = ProcessLock(tmp_path), ProcessLock(tmp_path, "named")
    assert (other.id, list(mine.dead())) == ("named", [])
    other.close()
    assert list(mine.dead()) == []
    mine.close()
    assert list(tmp_path.iterdir()) == []


def test_names_are_never_used_again(tmp_path: Path) -> None:
    presences = [ProcessLock(tmp_path) for _ in range(20)]
    assert len({process_lock.id for process_lock in presences}) == 20
    for process_lock in presences:
        process_lock.close()
