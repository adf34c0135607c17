"""What the address of Redis may say: looked at before the start, since nobody connects before then."""

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

REDIS_SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")

_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_BOOL: Final = re.compile(r"(?i:true|false|yes|no|1|0)")
_TEXT: Final = re.compile(r".+", re.DOTALL)
_PARAMETERS: Final = {
    "db": _NUMBER,
    "client_name": _TEXT,
    "username": _TEXT,
    "password": _TEXT,
}
_TLS: Final = {
    "ssl_ca_certs": _TEXT,
    "ssl_ca_path": _TEXT,
    "ssl_certfile": _TEXT,
    "ssl_keyfile": _TEXT,
    "ssl_cert_reqs": re.compile(r"none|optional|required"),
    "ssl_check_hostname": _BOOL,
}


def redis_url_problem(url: str) -> str | None:
    """What is wrong with the database or a parameter of such a URL; no value is in the answer."""
    parts = urlsplit(url)
    if parts.scheme.endswith("+sentinel"):
        if not re.fullmatch(r"/[^/]+(/[0-9]{1,9})?/?", parts.path):
            return "must name what its sentinels watch, as in redis+sentinel://host:26379/name"
    elif parts.scheme != "unix" and not re.fullmatch(r"/?|/[0-9]{1,9}", parts.path):
        return "must name its database by a number, as in redis://host:6379/0"
    known = _PARAMETERS | (_TLS if parts.scheme.startswith("rediss") else {})
    seen: set[str] = set()
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            return f"must have no parameter {name[:40]!r}; there are {', '.join(known)}"
        if name in seen:
            return f"must name the parameter {name} once"
        if known[name].fullmatch(value) is None:
            return f"must have another value for the parameter {name}"
        seen.add(name)
    return None
