"""Addresses that no endpoint may have: those at which machines tell secrets to whoever asks."""

from __future__ import annotations

import ipaddress
import socket

_METADATA = ipaddress.ip_network("fd00:ec2::/32")  # of a cloud's machines, by IPv6


def is_refused_address(host: str) -> bool:
    """Whether `host` is written as a link-local address, in any notation that resolvers take."""
    return any(map(_is_link_local, _numeric(host)))


def resolves_to_refused(host: str) -> bool:
    """Whether the name `host` leads to a link-local address. False for one that nobody knows."""
    return any(map(_is_link_local, _resolved(host, 0)))


def _numeric(host: str) -> list[str]:
    """The address that `host` is, without asking anybody: also of 2852039166 and 0xa9.254.1."""
    return _resolved(host, socket.AI_NUMERICHOST)


def _resolved(host: str, flags: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]


def _is_link_local(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped.is_link_local
        return address.is_link_local or address in _METADATA
    return address.is_link_local
