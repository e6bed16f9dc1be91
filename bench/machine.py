"""The machine and versions of a measurement, without the machine's name."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

_PACKAGES = ("ctranslate2", "faster-whisper", "onnxruntime", "numpy", "av", "sqlalchemy", "psycopg", "celery", "redis")


def machine() -> dict[str, str]:
    return {
        "CPU": cpu_model(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, of the installed libraries, and of the available servers."""
    found = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if postgres := _postgres():
        found["PostgreSQL"] = postgres
    if shutil.which("redis-server"):
        found["redis-server"] = _said("redis-server", "--version").partition("v=")[2].partition(" ")[0]
    return found


def cpu_model() -> str:
    for name in ("model name", "Hardware", "Model"):
        for line in _lines(Path("/proc/cpuinfo")):
            if line.startswith(name):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """Return the checkout's commit, and whether the product's code differs from it."""
    changed = _said("git", "status", "--porcelain", "--", "src")
    return _said("git", "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def _postgres() -> str:
    programs: Sequence[Path] = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    program = shutil.which("postgres") or (str(programs[0]) if programs else None)
    return _said(program, "--version").rpartition(") ")[2].partition(" ")[0] if program else ""


def _said(*command: str) -> str:
    root = Path(__file__).resolve().parents[1]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip()


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.is_file() else []
