"""How single values are written: each takes what an operator wrote and gives what the node uses, or ValueError.

Nothing here says what is wrong: the refusal is made of the setting's name and of what is allowed (`texts.py`).
"""

import os
import re
from base64 import b64decode, urlsafe_b64decode
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from greenroom.config.redis_url import REDIS_SCHEMES

# What addresses of our own begin with: a file of that name in STATIC would never be served.
OWN_PATHS = frozenset(
    ("admin", "api", "connection", "docs", "emulation", "events", "health", "metrics", "ready", "static")
)
# How a pooler before the database, such as PgBouncer, gives sessions away; and so what we may keep in them.
POOL_MODES = frozenset(("session", "transaction"))
OBJECT_SCHEMES = frozenset(("file", "s3", "gs", "az"))
MODEL_SUFFIXES = frozenset((".json", ".txt"))
_DEFAULT_PORTS = {"http": "80", "https": "443"}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # keys of VAPID are below
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_HOST = r"\[[0-9a-f:.]+\]|[a-z0-9._-]+"
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")  # as brokers have it
_ARM = re.compile(r"(?!control$)[A-Za-z0-9_-]{1,64}")  # of an experiment; `control` is whoever is in none
_WILDCARD = r"\*(?:\.[a-z0-9_-]+){2,}"  # of a domain somebody owns: `*.org` is everybody's
# A scheme of an app (`capacitor`, `ionic`, `tauri`) has a host and no subdomains.
_ORIGIN = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_HOST}|{_WILDCARD})(?::(?P<port>\d{{1,5}}))?"
    rf"|(?!https?:|file:|data:|blob:|javascript:)[a-z][a-z0-9+.-]*://(?:{_HOST})(?::\d{{1,5}})?"
)

JOB_KEY_BYTES = 32


def split(value: object) -> object:
    """`a, b` as a tuple of what is not empty; what is no text as it is."""
    return tuple(part for item in value.split(",") if (part := item.strip())) if isinstance(value, str) else value


def split_unless_none(value: object) -> object:
    """As `split`, and `none` is nothing: a variable that is empty counts as unset."""
    return () if value == "none" else split(value)


def origin(text: str) -> str:
    """`scheme://host[:port]` as browsers send it: lower case, no slash at the end, no port that goes without saying.

    `https://*.example.org` is every subdomain; `*` is any page. Raises: ValueError.
    """
    if text == "*":
        return text
    text = text.lower().rstrip("/")
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise ValueError
    if match["port"] is not None and match["port"] == _DEFAULT_PORTS[match["scheme"]]:
        return text.rpartition(":")[0]
    return text


def import_path(path: str) -> str:
    """Raises: ValueError."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?", path):
        raise ValueError
    return path


def redis_address(url: SecretStr) -> SecretStr:
    """Of one host or several, as `redis://:password@host:6379/0`, or the path of a socket. Raises: ValueError."""
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in REDIS_SCHEMES or not (parts.netloc or parts.path):
        raise ValueError
    _ports(parts.netloc)
    return url


def database_address(url: SecretStr) -> SecretStr:
    """Of one host or several, `postgresql://user:password@db1:5432,db2:5432/database`. Raises: ValueError."""
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("postgres", "postgresql") or not (parts.netloc or parts.path):
        raise ValueError
    if parse_qs(parts.query, keep_blank_values=True).get("pool_mode", ["session"])[-1] not in POOL_MODES:
        raise ValueError
    _ports(parts.netloc)
    return url


def _ports(netloc: str) -> None:
    for host in netloc.rpartition("@")[2].split(","):
        _ = urlsplit(f"//{host}").port  # raises ValueError unless it is a port


def below(path: str) -> str:
    """A path without its slash at the end; "" is none. Raises: ValueError."""
    path = path.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise ValueError
    if path.split("/")[1:2] and path.split("/")[1] in OWN_PATHS:
        raise ValueError
    return path


def objects_address(url: str) -> str:
    """Of a folder or a bucket, without credentials. Raises: ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in OBJECT_SCHEMES or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError
    if not (parts.path.strip("/") if parts.scheme == "file" else parts.netloc) or (
        parts.scheme == "file" and parts.netloc
    ):
        raise ValueError
    return url


def objects_folder(url: str) -> Path | None:
    """Where the address of objects is one of a folder."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def public_key(text: str) -> str:
    """Raises: ValueError."""
    text = text.replace("\\n", "\n").strip()  # one-line form, as environments that hold no line ends have it
    if not text.startswith("-----BEGIN PUBLIC KEY-----") or "PRIVATE" in text:
        raise ValueError
    return text


def existing_file(path: Path) -> Path:
    """Raises: ValueError."""
    if not path.is_file():
        raise ValueError
    return path


def existing_folder(path: Path) -> Path:
    """Raises: ValueError."""
    if not (path.is_dir() and os.access(path, os.R_OK | os.X_OK)):
        raise ValueError
    return path


def model_file(path: Path) -> Path:
    """Raises: ValueError."""
    if path.suffix not in MODEL_SUFFIXES:
        raise ValueError
    return existing_file(path)


def arms_by_name(value: object) -> object:
    """`bold=10:bold.txt,plain=10:light` as a mapping; None is the light score. Raises: ValueError."""
    if not isinstance(value, str):
        return value
    arms: dict[str, tuple[float, Path | None]] = {}
    for name, one in _by_name(value).items():
        percent, _, path = one.partition(":")
        arms[name] = float(percent), None if path == "light" else model_file(Path(path))
    least = all(_ARM.fullmatch(name) and percent > 0 for name, (percent, _) in arms.items())
    if not least or not sum(percent for percent, _ in arms.values()) <= 100:
        raise ValueError
    return arms


def addresses_by_name(value: object) -> object:
    """`name=https://host/path`, several separated by commas. Raises: ValueError."""
    if not isinstance(value, str):
        return value
    found = _by_name(value)
    for url in found.values():
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname or "@" in split.netloc:
            raise ValueError("must be name=https://host/path")
    return found


def topics_by_name(value: object) -> object:
    """`name=topic`, several separated by commas. Raises: ValueError."""
    if not isinstance(value, str):
        return value
    found = _by_name(value)
    if not all(_TOPIC.fullmatch(topic) for topic in found.values()):
        raise ValueError("must be name=topic")
    return found


def _by_name(text: str) -> dict[str, str]:
    """`name=value`, several separated by commas. Raises: ValueError."""
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, one = (text.strip() for text in part.partition("="))
        if not name or name in found:
            raise ValueError("must be name=value, each name once")
        found[name] = one
    return found


def host_and_port(text: str) -> str:
    """`host:port`, `[address]:port` with IPv6. Raises: ValueError."""
    parts = urlsplit(f"//{text}")
    if re.fullmatch(rf"(?:{_HOST}):\d{{1,5}}", text, re.IGNORECASE) is None or not parts.port:
        raise ValueError
    return text


def webhook_secrets(value: SecretStr) -> SecretStr:
    """As Standard Webhooks writes them. Raises: ValueError."""
    secrets = value.get_secret_value().split()
    if not 1 <= len(secrets) <= 2:
        raise ValueError("must be one secret, or two with a space between")
    for one in secrets:
        try:
            size = len(b64decode(one.removeprefix("whsec_"), validate=True)) if one.startswith("whsec_") else 0
        except ValueError:
            size = 0
        if not 24 <= size <= 64:
            raise ValueError("must be whsec_ and 24 to 64 bytes in base64")
    return value


def mail_address(text: str) -> str:
    """`name@example.org`, in ASCII. Raises: ValueError."""
    if _MAIL.fullmatch(text) is None:
        raise ValueError("must be name@example.org")
    return text


def job_keys(value: SecretStr) -> SecretStr:
    """Raises: ValueError."""
    keys = keys_of(value)
    if not keys or any(len(key) != JOB_KEY_BYTES for key in keys):
        raise ValueError("must be keys of 32 bytes in base64, with spaces between")
    return value


def keys_of(value: SecretStr | None) -> list[bytes]:
    """The newest first. Raises: ValueError."""
    return [b64decode(one, validate=True) for one in value.get_secret_value().split()] if value is not None else []


def vapid_key(value: SecretStr) -> SecretStr:
    """Raises: ValueError."""
    secret = value.get_secret_value().rstrip("=")
    if re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) is None:
        raise ValueError("must be 32 bytes in base64url")
    if not 0 < int.from_bytes(urlsafe_b64decode(f"{secret}="), "big") < P256_ORDER:
        raise ValueError("must be a private key on P-256")
    return SecretStr(secret)


def vapid_contact(text: str) -> str:
    """Raises: ValueError."""
    if text.startswith("mailto:"):
        mail_address(text.removeprefix("mailto:"))
        return text
    return web_address(text)


def web_address(text: str) -> str:
    """`https://host/path`, or `http://`, in printable ASCII. Raises: ValueError."""
    parts = urlsplit(text)
    if re.fullmatch(r"[!-~]+", text) is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be https://host/path")
    return text


def slots_by_queue(value: object) -> object:
    """`media:4,mail:20` as a mapping. Raises: ValueError."""
    if not isinstance(value, str):
        return value
    slots: dict[str, int] = {}
    for item in split(value):  # type: ignore[attr-defined]
        queue, _, number = item.rpartition(":")
        if not queue or queue in slots or not 1 <= int(number) <= 10_000:
            raise ValueError
        slots[queue] = int(number)
    return slots
