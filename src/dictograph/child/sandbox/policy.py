"""What a child may keep: decided by its parent, handed over in one variable of its environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

#: Whether children are confined: as far as the kernel can, or not started when it cannot, or not at all.
Mode = Literal["auto", "required", "off"]

#: The variable that tells a child what it may keep.
VARIABLE = "SANDBOX"

#: Where a child's first frame says which layers it lacks, and why: an object.
LACKS = "lacks"

#: The code of the error with which a child says that it cannot be confined as required.
UNAVAILABLE = "sandbox_unavailable"


class Layer(StrEnum):
    """The layers, in the order in which they are put on. Each holds without the others."""

    LIMITS = "limits"
    NETWORK = "network"
    FOLDER = "folder"
    USER = "user"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"


#: Without these `required` starts no child that reads what others sent. A network namespace is not among them:
#: the filter of system calls refuses sockets as well, and in many containers there is nothing else.
NEEDED = frozenset({Layer.LANDLOCK, Layer.SECCOMP})

#: In a process that loads libraries and models after it was confined, or opens devices, these can be.
OPEN_LAYERS = frozenset({Layer.LIMITS, Layer.NETWORK, Layer.LANDLOCK, Layer.SECCOMP})


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a child may keep.

    `sealed`: it has loaded what it needs and works on what it was handed: it may open nothing at all, and is
    confined after its imports, when it begins to listen. Else it may read what its user may, write beneath the
    folders in `writable` only, and is confined before its imports. `online` children may use the network.
    `file_size` and `data` are in bytes (of one file written; of memory asked for, resident or not), `open_files` a
    number; 0 stands for no limit. The child refuses to work without the layers in `needed`.
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
        """The value of the variable."""
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
        """Raises KeyError, TypeError or ValueError when it is no such value."""
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
        """That of a child with this environment; None when it is to keep everything."""
        text = environment.get(VARIABLE)
        return cls.from_text(text) if text else None


def sealed(mode: Mode, *, memory: int, file_size: int = 0, open_files: int = 64) -> Sandbox | None:
    """For a child that works on hostile bytes and needs nothing but its descriptors.

    `memory` is the resident memory it may have, in bytes; its parent looks at that a few times a second. What it
    may ask for in between is limited to twice as much and half a GiB for what libraries ask for and never touch.
    """
    if mode == "off":
        return None
    needed = NEEDED if mode == "required" else frozenset[Layer]()
    data = 2 * memory + 2**29 if memory else 0
    return Sandbox(True, needed=needed, file_size=file_size, open_files=open_files, data=data)


def open_to_read(
    mode: Mode, writable: tuple[str, ...], *, online: bool = False, devices: bool = False
) -> Sandbox | None:
    """For a child that loads libraries and models of ours and works on samples, or fetches weights.

    With `devices` it drives a GPU, whose libraries write to devices and caches and make system calls of their own:
    then it loses the network and nothing else.
    """
    if mode == "off":
        return None
    layers = OPEN_LAYERS
    if devices:
        layers = frozenset({Layer.LIMITS, Layer.NETWORK})
    if online:
        layers -= {Layer.NETWORK}
    return Sandbox(False, layers=layers, writable=writable, online=online)
