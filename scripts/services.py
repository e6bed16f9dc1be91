"""`make services` and `make services-down`: private servers for development, in a folder that git ignores.

    python -m scripts.services up|down [--folder FOLDER] [--only NAME,NAME] [--wipe]

Each server has a folder with its data, its log and `state.json` (port, password, process). Both commands can be given
again and again. A process is identified by its id and by its working folder, which is that folder or below it. So an
id that another program got later, after a reboot say, does not count as ours.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from scripts.machine import can_enter, free_port, give_away, is_taken, unprivileged, works_inside, write_secret
from scripts.servers import SERVERS, Broken, Place, Server

START_S = 120.0
STOP_S = 30.0


class Home:
    """A server's folder, and the state that is kept there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "state.json"

    def process(self) -> psutil.Process | None:
        """Return the server's process, if it runs."""
        pid = self._state().get("pid")
        with suppress(psutil.Error):
            process = psutil.Process(int(pid)) if pid else None
            if process and process.status() != psutil.STATUS_ZOMBIE and works_inside(process, self.folder):
                return process
        return None

    def place(self) -> Place:
        """Return the place where the server runs or will run: as before, unless its port is taken meanwhile."""
        state = self._state()
        password = str(state.get("password") or secrets.token_hex(16))
        port = int(state.get("port", 0))
        if self.process() is None and (not port or is_taken(port)):
            port = free_port()
        return Place(self.folder, port, password)

    def remember(self, place: Place, pid: int | None) -> None:
        state = {"port": place.port, "password": place.password, "pid": pid}
        part = self._file.with_suffix(".part")
        write_secret(part, json.dumps(state))
        part.replace(self._file)

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return state


def up(server: Server, folder: Path) -> None:
    """Start a server unless it runs. Raises Broken."""
    home = Home(folder / server.name)
    place = home.place()
    if home.process() is None:
        _start(server, home, place)
        print(f"{server.name}: started on 127.0.0.1:{place.port}")
    else:
        print(f"{server.name}: runs on 127.0.0.1:{place.port}")
    _wait_until_it_answers(server, home, place)
    server.settle(place)


def _start(server: Server, home: Home, place: Place) -> None:
    home.folder.mkdir(exist_ok=True)
    home.folder.chmod(0o700)
    give_away(home.folder)
    if not can_enter(home.folder):
        raise Broken(
            f"{home.folder} cannot be entered by the account that runs servers for root. "
            "Name another folder: make services SERVICES=/var/tmp/services"
        )
    home.remember(place, None)
    server.prepare(place)
    with (home.folder / "log").open("ab") as log:
        process = subprocess.Popen(
            server.command(place), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=home.folder, start_new_session=True, **unprivileged(),
        )  # fmt: skip
    home.remember(place, process.pid)


def _wait_until_it_answers(server: Server, home: Home, place: Place) -> None:
    deadline = time.monotonic() + START_S
    while not server.answers(place):
        if home.process() is None or time.monotonic() > deadline:
            log = (home.folder / "log").read_text(errors="replace")
            raise Broken(f"{server.name} does not start. Its log ends with:\n{log[-2000:]}")
        time.sleep(0.05)


def down(server: Server, folder: Path, wipe: bool) -> None:
    """Shut a server down normally. Its data are kept unless `wipe` is set. Raises Broken."""
    home = Home(folder / server.name)
    process = home.process()
    if process is not None:
        _stop(server, process)
        home.remember(home.place(), None)
        print(f"{server.name}: stopped")
    if wipe and home.folder.exists():
        shutil.rmtree(home.folder)
        print(f"{server.name}: its data are gone")


def _stop(server: Server, process: psutil.Process) -> None:
    process.send_signal(signal.SIGINT)  # for PostgreSQL: do not wait until all clients have disconnected
    deadline = time.monotonic() + STOP_S
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            print(f"{server.name}: killed, since it did not end within {STOP_S:.0f} s")
            process.kill()  # each of them finds its data again after that
            deadline = float("inf")
        time.sleep(0.05)


def all_up(servers: Sequence[Server], folder: Path) -> int:
    started = False
    try:
        for server in servers:
            if server.installed():
                up(server, folder)
                started = True
            else:
                print(f"{server.name}: not installed, so not started (on Debian: apt-get install {server.package})")
    finally:
        lines = _write_variables(folder)
    print(f"\n{lines}\nThese lines are in {folder / 'env'}, too.")
    return 0 if started else 1


def all_down(servers: Sequence[Server], folder: Path, wipe: bool) -> None:
    try:
        for server in servers:
            down(server, folder, wipe)
    finally:
        _write_variables(folder)


def _write_variables(folder: Path) -> str:
    """Write the variables of all running servers, named this time or not, to a file; no file if none runs."""
    homes = {server: Home(folder / server.name) for server in SERVERS}
    running = {server: home.place() for server, home in homes.items() if home.process() is not None}
    variables = {name: value for server, place in running.items() for name, value in server.variables(place).items()}
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    if lines:
        write_secret(folder / "env", lines)
    else:
        (folder / "env").unlink(missing_ok=True)
    return lines


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock: two of these commands at once would start everything twice."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description="Servers for development.")
    parser.add_argument("wish", choices=("up", "down"))
    parser.add_argument("--folder", type=Path, default=Path(".services"))
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--wipe", action="store_true", help="with down: delete all data")
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    names = set(filter(None, asked.only.split(",")))
    if unknown := names - {server.name for server in SERVERS}:
        parser.error(f"no such server: {', '.join(sorted(unknown))}")
    servers = [server for server in SERVERS if not names or server.name in names]
    try:
        with _alone(folder):
            if asked.wish == "up":
                return all_up(servers, folder)
            all_down(servers, folder, asked.wipe)
    except Broken as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
