"""The rights that a child keeps. Its parent decides them and passes them in one environment variable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

#: Whether children are confined: as far as the kernel can; or not started if it cannot; or not at all.
Mode = Literal["auto", "required", "off"]

#: The environment variable that holds a child's rights.
VARIABLE = "SANDBOX"

#: The key in a child's first frame for the layers that it lacks, with the reasons: an object.
LACKS = "lacks"

#: The code of the error of a child that cannot be confined as required.
UNAVAILABLE = "sandbox_unavailable"


class Layer(StrEnum):
    """The layers, in the order in which they are put on. Each layer holds without the others."""

    LIMITS = "limits"
    NETWORK = "network"
    FOLDER = "folder"
    USER = "user"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"


#: Without these layers `required` starts no child that reads bytes from clients. The network namespace is not among
#: them: the filter of system calls refuses sockets as well, and many containers allow no network namespace.
NEEDED = frozenset({Layer.LANDLOCK, Layer.SECCOMP})

#: The layers that a process can have if it loads libraries and models after it was confined, or opens devices.
OPEN_LAYERS = frozenset({Layer.LIMITS, Layer.NETWORK, Layer.LANDLOCK, Layer.SECCOMP})


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The rights that a child keeps.

    `sealed`: the child has loaded what it needs, and works on the descriptors that it was given. It may open nothing
    at all. It is confined after its imports, before it reads its first request. Any other child may read what its user
    may, and write only beneath the folders in `writable`. It is confined before its imports. `online` children may use
    the network.
    `file_size` (of one written file) and `data` (of requested memory, resident or not) are in bytes, `open_files` is a
    number; 0 means no limit. The child refuses to work without the layers in `needed`.
    """

    sealed: bool
    layers: frozenset[Layer] = frozenset(Layer)
    needed: frozenset[Layer] = frozenset()
    writable: tuple[str, ...] = ()
    online: bool = False
    file_size: int = 0
    open_files: int = 0
    data: int = 0

    def to_text(self) -> str:
        """Return the value of the environment variable."""
        return json.dumps(
            {
                "sealed": self.sealed,
                "layers": sorted(self.layers),
                "needed": sorted(self.needed),
                "writable": self.writable,
                "online": self.online,
                "limits": [self.file_size, self.open_files, self.data],
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Sandbox:
        """Parse the value of the environment variable. Raises KeyError, TypeError or ValueError if it is invalid."""
        shape = json.loads(text)
        return cls(
            bool(shape["sealed"]),
            frozenset(map(Layer, shape["layers"])),
            frozenset(map(Layer, shape["needed"])),
            tuple(shape["writable"]),
            bool(shape["online"]),
            *map(int, shape["limits"]),
        )

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Sandbox | None:
        """Return the sandbox of a child with this environment; None if the child keeps all rights."""
        text = environment.get(VARIABLE)
        return cls.from_text(text) if text else None


def sealed(mode: Mode, *, memory: int, file_size: int = 0, open_files: int = 64) -> Sandbox | None:
    """Return the sandbox of a child that works on hostile bytes and needs nothing but its descriptors.

    `memory` is the limit of its resident memory in bytes. Its parent checks it a few times a second. In between, the
    memory that the child requests is limited to twice as much, plus half a GiB that libraries request and never touch.
    """
    if mode == "off":
        return None
    needed = NEEDED if mode == "required" else frozenset[Layer]()
    data = 2 * memory + 2**29 if memory else 0
    return Sandbox(True, needed=needed, file_size=file_size, open_files=open_files, data=data)


def open_to_read(
    mode: Mode, writable: tuple[str, ...], *, online: bool = False, devices: bool = False
) -> Sandbox | None:
    """Return the sandbox of a child that loads our libraries and models and works on samples, or fetches weights.

    With `devices` it drives a GPU, whose libraries write to devices and caches and make further system calls. Then it
    loses only the network.
    """
    if mode == "off":
        return None
    layers = OPEN_LAYERS
    if devices:
        layers = frozenset({Layer.LIMITS, Layer.NETWORK})
    if online:
        layers -= {Layer.NETWORK}
    return Sandbox(False, layers=layers, writable=writable, online=online)
