"""Where a server is reached."""

from urllib.parse import urlsplit

from greenroom.config.settings import Settings
from greenroom.config.settings.rules import is_loopback
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble


def server_url(settings: Settings, *, port: int | None = None) -> str:
    """Where a server with these settings is reached from this machine; `port` where it is not the configured one."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port or settings.port}/"


def checked_url(url: str) -> str:
    """As it is given. Raises: Trouble for what is no URL of a server."""
    try:
        split = urlsplit(url)
        is_one = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        is_one = False
    if not is_one or not url.isascii() or not url.isprintable() or " " in url or split.query or split.fragment:
        raise Trouble(f"--server {url!r}: must be a URL, as in https://example.org", status=BAD_USAGE)
    if split.username is not None:
        raise Trouble("--server: must hold no user or password: these are not sent", status=BAD_USAGE)
    return url


def is_in_the_clear(url: str) -> bool:
    """Is what is sent there read by whoever is between?"""
    split = urlsplit(url)
    return split.scheme == "http" and not is_loopback(split.hostname or "")


def is_foreign(url: str | None) -> bool:
    """Was another host named? A token that we sign is not for it: it holds at the server that has our settings."""
    return url is not None and not is_loopback(urlsplit(url).hostname or "")
