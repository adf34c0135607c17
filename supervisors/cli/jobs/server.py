"""A running server, asked over its API as the role `service`.

The token is GREENROOM_WORK_TOKEN, or one that we sign ourselves, for the server that has our settings.
"""

import time
from collections.abc import Iterator, Mapping
from secrets import token_hex
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

from greenroom.config.settings import Settings, load_settings
from greenroom.store.own.data_folder import DataFolder
from greenroom.supervisors.cli.chosen.address import checked_url, server_url
from greenroom.supervisors.cli.chosen.connection import Connection
from greenroom.supervisors.cli.chosen.tokens import token_config
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble
from greenroom.supervisors.cli.terminal.printable import printable
from greenroom.transports.auth.signer import TokenSigner

TOKEN_S = 3_600.0
USER = "greenroom-jobs"

Url = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="Where the server listens; as the settings say. Takes a token then."),
]


class Server:
    """One of them."""

    def __init__(self, url: str, token: str) -> None:
        self._connection = Connection(url, lambda: token)

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Raises: Trouble."""
        return self._read(*self._connection.get(path, query))

    def command(self, kind: str, key: str, name: str, fields: Mapping[str, Any]) -> Any:
        """However often it is sent, it is done once. Raises: Trouble."""
        path = f"/api/{kind}/{quote(key, safe='')}/{name}"
        return self._read(*self._connection.post(path, fields, token_hex(16)))

    def view(self, kind: str, key: str) -> dict[str, Any]:
        """Raises: Trouble."""
        return dict(self.get(f"/api/{kind}/{quote(key, safe='')}")["view"])

    def rows(self, path: str, query: Mapping[str, Any], most: int | None = None) -> Iterator[dict[str, Any]]:
        """Of a list, page by page; `most`: None: all. Raises: Trouble."""
        after: str | None = None
        while most is None or most > 0:
            page = self.get(path, {**query, "limit": min(most or 1_000, 1_000), "after": after})
            yield from page["rows"]
            if most is not None:
                most -= len(page["rows"])
            after = page["next"]
            if after is None:
                return

    def _read(self, status: int, content: bytes) -> Any:
        """Raises: Trouble."""
        if status != 200:
            raise refused(status, content)
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Trouble(f"{self._connection.url}: {printable(str(error))}") from None


def refused(status: int, body: bytes) -> Trouble:
    """What the server says, naming the field that is wrong."""
    try:
        error = msgspec.json.decode(body)["error"]
        fields = error.get("fields") or {}
        text = "; ".join(f"{name}: {what}" for name, what in fields.items()) or str(error["message"])
        name = str(error["name"])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, AttributeError):  # a proxy's page
        text, name = "the answer is none of Greenroom's", ""
    if status in (401, 403):
        text += " (GREENROOM_WORK_TOKEN must be a token of that server with the role service)"
    bad = status in (400, 422)
    return Trouble(printable(f"{status} {name}: {text}"), status=BAD_USAGE if bad else 1)


def asked_server(url: str | None, user: str = USER) -> Server:
    """`user`: in whose name, where we sign the token. Raises: Trouble, SettingsError."""
    settings = load_settings()
    token = staff_token(settings, url, user=user)
    return Server(checked_url(url) if url is not None else server_url(settings), token)


def staff_token(settings: Settings, url: str | None, roles: tuple[str, ...] = ("service",), *, user: str = USER) -> str:
    """Raises: Trouble."""
    if settings.work_token is not None:
        token = settings.work_token.get_secret_value().strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise Trouble("GREENROOM_WORK_TOKEN: must be a token, without spaces in it", status=BAD_USAGE)
        return token
    folder = DataFolder(settings.data_dir) if settings.data_dir.is_dir() else None
    config = token_config(settings, folder) if url is None else None
    if config is None or config.secret is None:
        raise Trouble("GREENROOM_WORK_TOKEN: must be set, a token with the role service", status=BAD_USAGE)
    return TokenSigner(config, time.time).connection_token(user, roles=list(roles), ttl_s=TOKEN_S)
