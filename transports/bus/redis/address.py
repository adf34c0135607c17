"""Where Redis is and how to come in, read from its URL.

redis://user:password@host:6379/0 · rediss://… the same over TLS · unix:///path?db=0 · redis+sentinel://host:26379/name/0
and rediss+sentinel://…: whom the sentinels call the primary of that name. Several hosts, separated by commas, are tried
in any order: nodes of one cluster, or sentinels. What a URL may say is looked at in config/redis_url.py before.
"""

import ssl
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from greenroom.config.redis_url import REDIS_SCHEMES

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
_TRUE: Final = frozenset({"true", "yes", "1"})
_NO_CHECK: Final = "none"


class Address(msgspec.Struct, frozen=True):
    """One server: a host and a port, or the path of a unix socket."""

    host: str
    port: int = 0

    @property
    def is_path(self) -> bool:
        return self.host.startswith("/")

    def __str__(self) -> str:
        return self.host if self.is_path else f"{self.host}:{self.port}"


class RedisTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What a URL says."""

    addresses: tuple[Address, ...]
    username: str | None = None
    password: str | None = None
    db: int = 0
    service: str | None = None  # the addresses are sentinels, and this is the name of what they watch over
    client_name: str | None = None
    tls: dict[str, str] | None = None  # parameters; None: in the clear

    def tls_context(self) -> ssl.SSLContext:
        """Raises: OSError, ssl.SSLError when a file that it names can't be used."""
        tls = self.tls or {}
        context = ssl.create_default_context(cafile=tls.get("ssl_ca_certs"), capath=tls.get("ssl_ca_path"))
        demanded = tls.get("ssl_cert_reqs", "required")
        if demanded == _NO_CHECK or tls.get("ssl_check_hostname", "true").lower() not in _TRUE:
            context.check_hostname = False
        if demanded == _NO_CHECK:
            context.verify_mode = ssl.CERT_NONE
        elif demanded == "optional":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_OPTIONAL
        if "ssl_certfile" in tls:
            context.load_cert_chain(tls["ssl_certfile"], tls.get("ssl_keyfile"))
        return context


def target_of(url: str) -> RedisTarget:
    """`url`: one that `redis_url_problem` finds no fault with. Raises: ValueError for some of the others."""
    parts = urlsplit(url)
    if parts.scheme not in REDIS_SCHEMES:
        raise ValueError(f"no {' or '.join(REDIS_SCHEMES)} URL")
    scheme, _, sentinel = parts.scheme.partition("+")
    said = dict(parse_qsl(parts.query))
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    service = None
    if scheme == "unix":
        addresses: tuple[Address, ...] = (Address(unquote(parts.path)),)
        path = ""
    else:
        default = SENTINEL_PORT if sentinel else PORT
        addresses = (
            tuple(_address(one, default) for one in hosts.split(",")) if hosts else (Address("localhost", PORT),)
        )
        path = parts.path.strip("/")
        if sentinel:
            service, _, path = path.partition("/")
    return RedisTarget(
        addresses=addresses,
        username=said.get("username") or unquote(username) or None,
        password=said.get("password") or unquote(password) or None,
        db=int(said.get("db") or path or 0),
        service=unquote(service) if service is not None else None,
        client_name=said.get("client_name"),
        tls={name: value for name, value in said.items() if name.startswith("ssl_")} if scheme == "rediss" else None,
    )


def _address(text: str, port: int) -> Address:
    host, colon, tail = text.rpartition(":")
    if not colon or tail.endswith("]"):  # no port: an IPv6 address has its colons in brackets
        host, tail = text, ""
    return Address(host.strip("[]"), int(tail) if tail else port)
