"""What a profile is: a table of defaults, and of the names that an old system had for settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dictograph.contract import Contract
from dictograph.settings.profiles.values import port

#: The file of the old backend, in the working folder.
CONFIG_INI = "config.ini"


def same(text: str) -> Any:
    """The text as it is."""
    return text


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that an old system had: a variable, or a key of its file as `section.key`.

    Args:
        name: as the old system had it.
        default: what that took where nothing was said.
        setting: the field that it is another name of; "" when it is none.
        convert: makes what the setting takes of the text; raises ValueError, saying what to give.
        piece: which part of the setting's value it is, where several names make that together.
        also: settings that follow from its being given.
        optional: a variable that it stands for need not be set: there is another way to get the value.
        says: what becomes of it, beyond being a name of that setting.
    """

    name: str
    default: str = ""
    setting: str = ""
    convert: Callable[[str], Any] = same
    piece: str = ""
    also: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False
    says: str = ""

    @property
    def key(self) -> tuple[str, str] | None:
        """Section and key of the file; None when it is only a variable."""
        section, dot, key = self.name.partition(".")
        return (section, key) if dot else None

    @property
    def variable(self) -> str:
        """The environment variable: of a key of the file, its section and its name."""
        return self.name.replace(".", "_").upper() if self.key else self.name

    @property
    def shown(self) -> str:
        """The name for people."""
        return f"[{self.key[0]}] {self.key[1]}" if self.key else self.name


@dataclass(frozen=True, slots=True)
class Listener:
    """An address of the old system, and the variables that change it."""

    host: str
    port: int
    host_name: str = ""
    port_name: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """An old system. `defaults` are settings by field; where it listens and whom it needs no key of stands apart,
    since several profiles at once add to that. `worker_listeners` are the addresses of whoever runs its jobs, for
    probes."""

    contract: Contract
    listeners: Sequence[Listener]
    anonymous: Sequence[str]
    defaults: Mapping[str, Any]
    aliases: Sequence[Alias]
    worker_listeners: Sequence[Listener] = ()

    @property
    def name(self) -> str:
        return self.contract.value

    @property
    def reads_ini(self) -> bool:
        """Whether it has a file."""
        return any(alias.key for alias in self.aliases)


#: Set by platforms: another address, whatever the profile.
PORT = Alias("PORT", "", "listen", port, piece="port", says="adds the address `0.0.0.0:$PORT`")
