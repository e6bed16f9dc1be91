"""Queries of the machine for scripts and tests that start servers: accounts, ports, processes."""

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
    """Return arguments for `subprocess` with a server's account: PostgreSQL refuses root, others do not need it."""
    account = _account()
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": ()}


def give_away(*paths: Path) -> None:
    """Give files and folders to the account of the servers."""
    if (account := _account()) is not None:
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only the servers' account and root can read."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    give_away(path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """Return whether a process listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def processes_inside(folder: Path) -> Iterator[psutil.Process]:
    """Yield the processes whose working directory is this folder or below it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if works_inside(process, folder):
                yield process


def works_inside(process: psutil.Process, folder: Path) -> bool:
    """Return whether a process works inside the folder. Raises psutil.Error if the process cannot be queried."""
    working = Path(process.cwd())
    return folder.resolve() in (working, *working.parents)


def can_enter(folder: Path) -> bool:
    """Return whether the account of the servers can reach its own folder there."""
    return _account() is None or all(one.stat().st_mode & 0o001 for one in folder.resolve().parents)


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    accounts = {one.pw_name: one for one in pwd.getpwall()}
    return accounts.get("postgres") or accounts["nobody"]
