"""Decide which URLs and addresses may be called. Pure: no name is resolved and no connection opened here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

from dictograph.errors import AddressNotAllowed, SettingsError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PORTS = {"http": 80, "https": 443}

_NAME = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$")
_NUMERIC_LABEL = re.compile(r"^(\d+|0x[0-9a-f]*)$")
_HOST_AND_PORT = re.compile(r"^[^/?#@]+:\d+$")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")

#: NAT64 (RFC 6052): an IPv4 address in the last 32 bits.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

#: IPv4-compatible IPv6 addresses (RFC 4291, deprecated): some systems still route them as IPv4.
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")

#: From IANA's registries of special-purpose addresses: networks that some of the supported Python versions
#: count as global, and networks whose packets end at another address (tunnels, translators).
_SPECIAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("192.0.0.0/24", "192.88.99.0/24"),
        *("64:ff9b:1::/48", "100::/64", "2001::/23", "3fff::/20", "5f00::/16", "fec0::/10"),
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """The server of a URL: the host in lower case and ASCII, without brackets or a trailing dot."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class AllowList:
    """What may be called beside global addresses: networks, and hosts with their port. `setting` names the setting
    that lists them."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[tuple[str, int]] = frozenset()
    setting: str = "DICTOGRAPH_FETCH_ALLOW"

    @classmethod
    def parse(cls, entries: Iterable[str], setting: str = "DICTOGRAPH_FETCH_ALLOW") -> AllowList:
        """Return the list of a setting: `10.0.0.0/8`, `192.0.2.7`, `files.internal:8080`, `[::1]:9000`.

        Raises:
            SettingsError: for an entry that is none of these.
        """
        networks: list[Network] = []
        hosts: set[tuple[str, int]] = set()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry.strip()))
            except ValueError:
                hosts.add(_host_and_port(entry.strip(), setting))
        return cls(tuple(networks), frozenset(hosts), setting)

    def permits(self, target: Target, address: Address) -> bool:
        """Return whether `address`, to which the target's host resolved, may be called for it."""
        if (target.host, target.port) in self.hosts:
            return True
        if any(address in network for network in self.networks if network.version == address.version):
            return True
        return is_global(address)


def parse_target(url: str) -> Target:
    """Return the server that the URL names.

    Raises:
        AddressNotAllowed: it is no http or https URL, contains credentials, or hides its host.
    """
    if _FORBIDDEN.search(url):
        raise AddressNotAllowed("The URL holds spaces, backslashes or control characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressNotAllowed(f"The URL cannot be understood: {error}.") from error
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise AddressNotAllowed("Only http and https URLs are fetched.")
    if parts.username is not None or parts.password is not None:
        raise AddressNotAllowed("The URL carries a user name or password; these are never sent.")
    if port == 0:
        raise AddressNotAllowed("The URL names port 0.")
    return Target(scheme, _host_of(parts), port or _PORTS[scheme])


def check_addresses(target: Target, addresses: Sequence[str], allow: AllowList) -> list[str]:
    """Return the addresses to connect to: all to which the host resolved, in order.

    If one of them may not be called, none may: a name with both a public and a private address is no accident.

    Raises:
        AddressNotAllowed: an address is not global and not allowed, or there is none.
    """
    checked = []
    for text in addresses:
        address = _address(text)
        if address is None or not allow.permits(target, address):
            raise AddressNotAllowed(
                f"{target.host} leads to an address that is not public. {allow.setting} can permit it."
            )
        checked.append(str(address))
    if not checked:
        raise AddressNotAllowed(f"{target.host} has no address.")
    return checked


def is_global(address: Address) -> bool:
    """Return whether the address, and any IPv4 address in it, belongs to the public internet."""
    if isinstance(address, IPv6Address) and (inner := _wrapped(address)) is not None:
        return is_global(inner)
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    local = address.is_private or address.is_loopback or address.is_link_local
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not local and not special


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address inside an IPv6 address, at which its traffic ends or through which it passes, if any."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _host_of(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.netloc.rpartition("@")[2].startswith("["):
        address = _address(host)
        if address is None:
            raise AddressNotAllowed("The URL's IPv6 address cannot be understood.")
        return str(address)
    return _checked_name(host)


def _checked_name(host: str) -> str:
    try:
        name = host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
    except UnicodeError as error:
        raise AddressNotAllowed("The URL's host name cannot be understood.") from error
    name = name.removesuffix(".")
    if not _NAME.match(name) or len(name) > 253:
        raise AddressNotAllowed("The URL names no host that can be understood.")
    if _NUMERIC_LABEL.match(name.rpartition(".")[2]) and _address(name) is None:
        # 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1 to a resolver; no honest URL is written like that.
        raise AddressNotAllowed("The URL's host is a number that is no plain IPv4 address.")
    return name


def _address(text: str) -> Address | None:
    """Return an address without a zone; None for anything else."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _host_and_port(entry: str, setting: str) -> tuple[str, int]:
    try:
        if not _HOST_AND_PORT.match(entry):
            raise AddressNotAllowed("This is no host with a port.")
        target = parse_target(f"http://{entry}/")
    except AddressNotAllowed as error:
        raise SettingsError(
            f"{setting} cannot hold {entry!r}: give a network, as in 10.0.0.0/8, or HOST:PORT."
        ) from error
    return target.host, target.port
