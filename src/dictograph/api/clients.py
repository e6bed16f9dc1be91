"""Addresses: which connections belong to one client, and which addresses only this machine reaches."""

from __future__ import annotations

import ipaddress

#: An IPv6 network of this length is one client: the owner of an IPv6 address has all of its /64.
_CLIENT_BITS = 64


def client_of(host: str) -> str:
    """Return what all connections of one client have in common: its IPv4 address, or its IPv6 network."""
    if ":" not in host:
        return host
    number = int(ipaddress.IPv6Address(host.partition("%")[0])) >> _CLIENT_BITS
    return str(ipaddress.IPv6Address(number << _CLIENT_BITS))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
