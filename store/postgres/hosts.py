"""Several hosts in one address: each is tried for its share of the time, so that a silent first one is no dead end.

    postgresql://greenroom@db1:5432,db2:5432/greenroom?target_session_attrs=read-write

asyncpg tries them too, in the order given, within one deadline for all: the first that answers nothing would use it up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from asyncpg import exceptions as pg

Connected = TypeVar("Connected")

PORT = 5432
# Another host may do better: nobody there, starting or stopping, not of the kind that target_session_attrs wants.
_NEXT = (
    OSError,  # TimeoutError among them
    EOFError,
    pg.CannotConnectNowError,
    pg.ConnectionDoesNotExistError,
    pg.TargetServerAttributeNotMatched,
)


def hosts_of(dsn: str) -> list[tuple[str, int]]:
    """Host and port of each; [] where there is one, or none is named in the address. Raises: ValueError."""
    parts = urlsplit(dsn)
    named = parts.netloc.rpartition("@")[2]
    query = parse_qs(parts.query)
    if not named:
        hosts = [unquote(one) for one in query.get("host", [""])[0].split(",")]
        ports = query.get("port", [str(PORT)])[0].split(",")
        ports = ports * len(hosts) if len(ports) == 1 else ports
        if len(ports) != len(hosts):
            raise ValueError("as many ports as hosts, or one")
        pairs = list(zip(hosts, ports, strict=True))
    else:
        pairs = [_host_and_port(one) for one in named.split(",")]
    found = [(host, int(port)) for host, port in pairs]
    if any(not host or not 0 < port < 65_536 for host, port in found) and len(found) > 1:
        raise ValueError("each host has a name, and a port from 1 to 65535")
    return found if len(found) > 1 else []


async def first_of(
    hosts: Sequence[tuple[str, int]], connect: Callable[[str, int], Awaitable[Connected]], *, within_s: float
) -> Connected:
    """What `connect` gives for the first host that can be had; each has its share of `within_s`.

    For asyncio's side of the bridge. Raises: what the last one raised.
    """
    *others, (host, port) = hosts
    for one in others:
        try:
            async with asyncio.timeout(within_s / len(hosts)):
                return await connect(*one)
        except _NEXT:
            continue
    async with asyncio.timeout(within_s / len(hosts)):
        return await connect(host, port)


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):  # an IPv6 address
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":") or str(PORT)
    host, _, port = text.partition(":")
    return unquote(host), port or str(PORT)
