"""Addresses: where a host's name leads, and whether anything of ours may be sent there.

The address that was looked at is the one that is connected to: a name that is looked up once more may lead elsewhere by
then, into our own network.
"""

import ipaddress
import socket
from collections.abc import Iterable

import trio

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address


class PrivateAddress(Exception):
    """The name leads into a private network alone."""


def is_public(address: str) -> bool:
    """May anybody be told to send there? Not: private, link-local, loopback, multicast and reserved ones, nor IPv6
    addresses that stand for such."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def allowed(addresses: Iterable[str], *, private: bool) -> list[str]:
    """Those that may be connected to, in their order. Raises: PrivateAddress when there is none."""
    found = [one for one in dict.fromkeys(addresses) if private or is_public(one)]
    if not found:
        raise PrivateAddress("it leads to a private address, which GREENROOM_WEBHOOK_PRIVATE_ADDRESSES would allow")
    return found


async def look_up(host: str, port: int, *, private: bool) -> list[str]:
    """The addresses of a host that may be connected to. Raises: OSError when it has none; PrivateAddress."""
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return allowed([str(address[0]) for _, _, _, _, address in found], private=private)
