"""What the scripts and tests that start servers ask of the machine: accounts, ports, processes."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil


def unprivileged() -> dict[str, Any]:
    """For `subprocess`: as whom a server runs. PostgreSQL refuses root, and the others need not be it."""
    account = _account()
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": ()}


def give_away(*paths: Path) -> None:
    """Files and folders become those of whom the servers run as."""
    if (account := _account()) is not None:
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid)


def write_secret(path: Path, text: str) -> None:
    """A file that only the servers' account, and root, can read."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    give_away(path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """Whether somebody listens on it."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def processes_inside(folder: Path) -> Iterator[psutil.Process]:
    """The processes whose working directory is this folder, or below it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if works_inside(process, folder):
                yield process


def works_inside(process: psutil.Process, folder: Path) -> bool:
    """Raises psutil.Error when the process cannot be asked."""
    working = Path(process.cwd())
    return folder.resolve() in (working, *working.parents)


def can_enter(folder: Path) -> bool:
    """Whether whom the servers run as can reach a folder of its own there."""
    return _account() is None or all(one.stat().st_mode & 0o001 for one in folder.resolve().parents)


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    accounts = {one.pw_name: one for one in pwd.getpwall()}
    return accounts.get("postgres") or accounts["nobody"]
