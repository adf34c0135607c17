"""Whose pages may speak to us, and under which names: both compared as what they name, never as text.

An origin is a scheme, a host and a port (RFC 6454), and a port that goes without saying is the scheme's. We don't know
the scheme under which a page reached us, for a proxy ends TLS: where that says it (`X-Forwarded-Proto`) it counts, else
the page's own is believed, as browsers let no page choose it.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}

NAMES_MAX = 1024  # origins and hosts of which the answer is remembered
NAME_BYTES_MAX = 300  # of each, since whoever asks chooses them; a host's name has 253

Origin = tuple[str, str, int | None]  # scheme, host, port; None: it has none and its scheme has no usual one


def origin_allowed(origin: bytes, host: bytes, allowed: tuple[str, ...], proto: bytes | None = None) -> bool:
    """Is a page of this `Origin` let in: of the same host, or named in the setting (`*` names all)?

    `allowed` as the setting has them: `https://*.example.org` is every subdomain. `proto` is `X-Forwarded-Proto`.
    """
    if "*" in allowed:
        return True
    if max(len(origin), len(host), len(proto or b"")) > NAME_BYTES_MAX:
        return False
    return _origin_allowed(origin, host, allowed, proto)


@lru_cache(NAMES_MAX)
def _origin_allowed(origin: bytes, host: bytes, allowed: tuple[str, ...], proto: bytes | None) -> bool:
    page = _origin(origin.decode("latin-1"))
    if page is None:
        return False
    scheme, name, port = page
    for one in allowed:
        named = _origin(one)
        if named is None or (scheme, port) != (named[0], named[2]):
            continue
        if name == named[1] or (named[1].startswith("*.") and name.endswith(named[1][1:])):
            return True
    if scheme not in _DEFAULT_PORTS or (proto is not None and _scheme(proto) != scheme):
        return False
    return host != b"" and _origin(f"{scheme}://{host.decode('latin-1')}") == page


class KnownHosts:
    """The names under which a node that lets anybody be anybody may be reached.

    A page can give its own name any address, ours too (DNS rebinding); its browser then takes us for that page's origin
    and sends no `Origin` that would show it. What it can't change is the `Host` that it sends.
    """

    def __init__(self, configured: str, origins: Iterable[str]) -> None:
        """`configured` is what the node listens on; `origins` as in `origin_allowed`."""
        self._names = {configured.lower(), "localhost"}
        self._suffixes = [".localhost"]
        self._any = False
        for origin in origins:
            parsed = _origin(origin)
            if parsed is None:
                self._any = self._any or origin == "*"
            elif parsed[1].startswith("*."):
                self._suffixes.append(parsed[1][1:])
            else:
                self._names.add(parsed[1])
        address = _address(configured)
        self._on_network = configured.lower() not in ("localhost", "") and (address is None or not address.is_loopback)
        self._remembered = lru_cache(NAMES_MAX)(self._knows)

    def knows(self, host: bytes) -> bool:
        """Is the node meant by this `Host`? Without one no browser asks."""
        return len(host) <= NAME_BYTES_MAX and self._remembered(host)

    def _knows(self, host: bytes) -> bool:
        if self._any or not host:
            return True
        parsed = _origin(f"http://{host.decode('latin-1')}")
        if parsed is None:
            return False
        name = parsed[1]
        if name in self._names or name.endswith(tuple(self._suffixes)):
            return True
        address = _address(name)
        if address is None and "." not in name:
            return True  # nobody owns such a name: it is of one's own network, as `greenroom` in a compose file
        # A name can be given any address, an address is nobody else's; on loopback no other than loopback is ours.
        return address is not None and (address.is_loopback or self._on_network)


def _origin(text: str) -> Origin | None:
    """None for what is no origin, such as `null`."""
    try:
        parts = urlsplit(text.lower())
        port = parts.port
    except ValueError:
        return None
    if (
        not parts.scheme
        or not parts.hostname
        or "@" in parts.netloc
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
    ):
        return None
    return parts.scheme, parts.hostname, port if port is not None else _DEFAULT_PORTS.get(parts.scheme)


def _scheme(proto: bytes) -> str:
    """Of `https`, of what some proxies say for WebSockets, and of the first of several proxies."""
    said = proto.decode("latin-1").partition(",")[0].strip().lower()
    return {"ws": "http", "wss": "https"}.get(said, said)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
