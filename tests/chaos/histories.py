"""The rooms as they are when all is over, over HTTP in pages."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

from tests.chaos.payments import Till
from tests.chaos.records import History, mark_of

PAGE = 300
HTTP_S = 30.0
AS_USER = {"X-Greenroom-User": "chaos"}


class Unreadable(Exception):
    """The server did not answer with a page."""


def read_histories(address: tuple[str, int], rooms: list[str]) -> list[History]:
    """Raises: Unreadable, OSError."""
    connection = http.client.HTTPConnection(*address, timeout=HTTP_S)
    try:
        return [_read(connection, room) for room in rooms]
    finally:
        connection.close()


def read_tills(address: tuple[str, int], keys: list[str]) -> list[Till]:
    """Likewise."""
    connection = http.client.HTTPConnection(*address, timeout=HTTP_S)
    try:
        return [_read_till(connection, key) for key in keys]
    finally:
        connection.close()


def read_events(address: tuple[str, int], entities: list[str], token: str) -> dict[str, list[Any]]:
    """By entity, as `kind/key`, the data of all that it has published. Raises: Unreadable, OSError."""
    connection = http.client.HTTPConnection(*address, timeout=HTTP_S)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        return {
            entity: [pub["data"] for pub in _publications(connection, f"/api/{entity}", headers)] for entity in entities
        }
    finally:
        connection.close()


def _read_till(connection: http.client.HTTPConnection, key: str) -> Till:
    path = f"/api/till/{key}"
    found = Till(key, _get(connection, path)["view"]["counts"])
    found.events = [(pub["offset"], pub["data"]) for pub in _publications(connection, path)]
    return found


def _read(connection: http.client.HTTPConnection, room: str) -> History:
    path = f"/api/{room.replace(':', '/', 1)}"
    view = _get(connection, path)
    found = History(room, view["epoch"], counted=view["view"]["counters"]["messages"])
    for pub in _publications(connection, path):
        found.offsets.append(pub["offset"])
        found.marks.append(mark_of(pub["data"]))
    return found


def _publications(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str] = AS_USER
) -> Iterator[dict[str, Any]]:
    since = 0
    while publications := _get(connection, f"{path}/history?since={since}&limit={PAGE}", headers)["publications"]:
        yield from publications
        since = publications[-1]["offset"]


def _get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str] = AS_USER) -> Any:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise Unreadable(f"GET {path}: {answer.status} {body[:300]!r}")
    return json.loads(body)
