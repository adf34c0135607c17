"""Sagas over HTTP: the server is asked what there is, and told what to do."""

import sys
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import msgspec

from greenroom.config.settings import Settings
from greenroom.store.own.data_folder import DataFolder
from greenroom.supervisors.cli.chosen.address import checked_url, is_foreign, is_in_the_clear, server_url
from greenroom.supervisors.cli.chosen.connection import Connection
from greenroom.supervisors.cli.chosen.tokens import token_config
from greenroom.supervisors.cli.sagas.which import Which
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble
from greenroom.transports.auth.signer import TokenSigner

PAGE = 500  # rows of the list at once
TOKEN_S = 60.0  # of one that we sign ourselves: another follows
USER = "greenroom-sagas"


class Refusal(Exception):
    """The server says no; the text is what for."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}" if message else name)
        self.status = status
        self.name = name


class Server:
    """One of them."""

    def __init__(self, settings: Settings, url: str | None, token: str | None) -> None:
        """Raises: Trouble."""
        checked = checked_url(url) if url is not None else server_url(settings)
        if is_in_the_clear(checked):
            sys.stderr.write("greenroom: the token goes to another host by http://: who is between can read it\n")
        self._connection = Connection(checked, self._present_token)
        self._token = token or ""
        self._signer: TokenSigner | None = None
        self._until_s = 0.0
        if token is None:
            folder = DataFolder(settings.data_dir) if settings.data_dir.is_dir() else None
            config = None if is_foreign(url) else token_config(settings, folder)
            if config is None or config.secret is None:
                raise Trouble("--token: must be given, one with the role admin or service", status=BAD_USAGE)
            self._signer = TokenSigner(config, time.time)

    def view(self, saga: str) -> dict[str, Any]:
        """Raises: Refusal, Trouble."""
        found: dict[str, Any] = self._read(*self._connection.get(_path_of(saga)))["view"]
        return found

    def command(self, saga: str, name: str, fields: dict[str, Any], key: str) -> dict[str, Any]:
        """`key`: the same once more takes effect once, so it is sent again where nobody knows. Raises: Refusal,
        Trouble."""
        return self._read(*self._connection.post(f"{_path_of(saga)}/{name}", fields, key))

    def rows(self, which: Which, now_ms: int) -> Iterator[dict[str, Any]]:
        """Of the list, those that have changed last first. Raises: Refusal, Trouble."""
        asked = {"limit": str(PAGE)}
        if which.kind:
            asked["kind"] = which.kind
        if which.state:
            asked["status"] = which.state
        while True:
            try:
                answer = self._read(*self._connection.get("/api/sagas/all", asked))
            except Refusal as error:
                if error.status != 404:
                    raise
                raise Trouble(
                    "that server keeps no list of sagas: none of its kinds is one, or GREENROOM_BUILT_IN_VIEWS does not"
                    " name `sagas` there; those that you name need no list"
                ) from None
            yield from (row for row in answer["rows"] if which.fits(row, now_ms))
            if answer["next"] is None:
                return
            asked["after"] = answer["next"]

    def close(self) -> None:
        self._connection.close()

    def _read(self, status: int, content: bytes) -> dict[str, Any]:
        """Raises: Refusal, Trouble."""
        try:
            found: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Trouble(
                f"{self._connection.url} answers {status}, and no JSON: is that a Greenroom server?"
            ) from None
        if status >= 400:
            why = found.get("error") or {}
            raise Refusal(status, str(why.get("name", status)), str(why.get("message", "")))
        return found

    def _present_token(self) -> str:
        if self._signer is not None and time.monotonic() > self._until_s:
            self._token = self._signer.connection_token(USER, roles=["admin"], ttl_s=TOKEN_S)
            self._until_s = time.monotonic() + TOKEN_S / 2
        return self._token


def _path_of(saga: str) -> str:
    kind, _, key = saga.partition(":")
    return f"/api/{kind}/{urllib.parse.quote(key, safe='')}"
