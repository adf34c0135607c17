"""The rooms as they are when all is over, over HTTP in pages."""

import http.client
import json
from typing import Any

from tests.chaos.records import History, mark_of

PAGE = 300
HTTP_S = 30.0


class Unreadable(Exception):
    """The server did not answer with a page."""


def read_histories(address: tuple[str, int], rooms: list[str]) -> list[History]:
    """Raises: Unreadable, OSError."""
    connection = http.client.HTTPConnection(*address, timeout=HTTP_S)
    try:
        return [_read(connection, room) for room in rooms]
    finally:
        connection.close()


def _read(connection: http.client.HTTPConnection, room: str) -> History:
    path = f"/api/{room.replace(':', '/', 1)}"
    view = _get(connection, path)
    found = History(room, view["epoch"], counted=view["view"]["counters"]["messages"])
    while True:
        since = found.offsets[-1] if found.offsets else 0
        page = _get(connection, f"{path}/history?since={since}&limit={PAGE}")
        if not page["publications"]:
            return found
        for pub in page["publications"]:
            found.offsets.append(pub["offset"])
            found.marks.append(mark_of(pub["data"]))


def _get(connection: http.client.HTTPConnection, path: str) -> Any:
    connection.request("GET", path, headers={"X-Greenroom-User": "chaos"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise Unreadable(f"GET {path}: {answer.status} {body[:300]!r}")
    return json.loads(body)
