"""Everything counted anew: are the numbers that people see those of the rows, and of the entities?

Of each account the followers, of each post the reactions. Rows of edges and of reactions are folded from events one by
one, and counted here by SQL; the numbers are asked of those who own them. Rows may come later: what differs is counted
again until it is told.
"""

import asyncio
import json
import time
from collections.abc import Iterable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import asyncpg

from bench.server import Server

WITHIN_S = 60.0
AGAIN_S = 0.5
IDLE_S = 5.0  # after which a connection is opened anew
EDGES = "SELECT author, count(*) FROM views.followers GROUP BY author"
REACTIONS = 'SELECT left("of", 32), reaction, count(*) FROM views.reacted GROUP BY 1, 2'


async def rows(server: Server, sql: str, *values: object) -> list[Any]:
    """Of the server's own store."""
    assert server.folder is not None
    run: Path = server.folder / "data/run"
    connection = await asyncpg.connect(host=str(run), user="greenroom", database="greenroom")
    try:
        found: list[Any] = await connection.fetch(sql, *values)
        return found
    finally:
        await connection.close()


def drift(server: Server, token: str, authors: Iterable[str], posts: Iterable[str]) -> int:
    """By how much all the numbers are off, together."""
    until = time.monotonic() + WITHIN_S
    authors, posts = sorted(authors), sorted(posts)
    while True:
        found = _drift(server, token, authors, posts)
        if not found or time.monotonic() > until:
            return found
        time.sleep(AGAIN_S)


def _drift(server: Server, token: str, authors: list[str], posts: list[str]) -> int:
    edges = dict(asyncio.run(rows(server, EDGES)))
    reactions: dict[str, dict[str, int]] = {}
    for post, reaction, count in asyncio.run(rows(server, REACTIONS)):
        reactions.setdefault(post, {})[reaction] = count
    views = Views(server, token)
    found = 0
    for author in authors:
        found += abs(int(views.of(f"follows/{author}")["followers"]) - edges.get(author, 0))
    for post in posts:
        shown, counted = views.of(f"post/{post}")["reactions"], reactions.get(post, {})
        found += sum(abs(shown.get(name, 0) - counted.get(name, 0)) for name in {*shown, *counted})
    return found


class Views:
    """Entities as staff sees them, over one connection."""

    def __init__(self, server: Server, token: str) -> None:
        self._server, self._token = server, token
        self._connection = HTTPConnection(*server.address, timeout=30.0)
        self._used_at = 0.0
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def again(self) -> "Views":
        """Over another connection."""
        return Views(self._server, self._token)

    def of(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("GET", path, "")["view"]
        return found

    def command(self, path: str, **fields: object) -> dict[str, Any]:
        return self._ask("POST", path, json.dumps(fields))

    def _ask(self, method: str, path: str, body: str) -> dict[str, Any]:
        if self._used_at + IDLE_S < time.monotonic():
            self._connection.close()  # the server may have done so; the request opens it again
        self._connection.request(method, f"/api/{path}", body or None, self._headers)
        response = self._connection.getresponse()
        said = response.read()
        self._used_at = time.monotonic()
        assert response.status == 200, said[:300]
        found: dict[str, Any] = json.loads(said)
        return found
