"""Addresses: which connections are one client's, and which come from this machine."""

from __future__ import annotations

import ipaddress

#: A network of this length is one client: whoever has an IPv6 address has all of its /64.
_CLIENT_BITS = 64


def client_of(host: str) -> str:
    """What all connections of one client have in common: its address, or its network if that is IPv6."""
    if ":" not in host:
        return host
    number = int(ipaddress.IPv6Address(host.partition("%")[0])) >> _CLIENT_BITS
    return str(ipaddress.IPv6Address(number << _CLIENT_BITS))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
