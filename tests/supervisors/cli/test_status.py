"""`greenroom status`, as users run it, of a server that says what the test wants."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.faults.process.command_line import CommandLine

ALONE = {
    "status": "ok",
    "node": "00000000000000aa",
    "version": "1.0",
    "started_at_ms": 0,
    "shards": 4096,
    "awake": 3,
    "connections": 2,
    "subscriptions": 1,
    "redis": "reached",
}
SELF = {
    "node": "00000000000000aa",
    "url": "http://127.0.0.1:8000",
    "version": "1.0",
    "state": "up",
    "capacity": 100,
    "shards": 3000,
    "lease_left_s": 4.2,
}
OTHER = {
    **SELF,
    "node": "00000000000000bb",
    "url": "http://127.0.0.1:8001",
    "version": "1.1",
    "state": "draining",
    "shards": 1096,
    "lease_left_s": 0.7,
    "link": "no answer",
    "link_held_bytes": 512,
}


class Answering:
    """A server of `/health` alone."""

    def __init__(self) -> None:
        self.health: dict[str, Any] = {}
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(answering.health).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def answering() -> Iterator[Answering]:
    made = Answering()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.mark.parametrize("more", [{}, {"shards_owned": 4096, "links": "ok", "nodes": [SELF]}])
def test_of_one_node_there_is_one_table(command_line: CommandLine, answering: Answering, more: dict[str, Any]) -> None:
    answering.health = {**ALONE, **more}
    ran = command_line.run(["status", "--url", answering.url])
    assert ran.status == 0
    rows = [[cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in ran.out.splitlines()]
    assert [row for row in rows if len(row) == 2] == [
        ["node", "00000000000000aa"],
        ["started", "1970-01-01 00:00:00+00:00"],
        *([name, str(ALONE[name])] for name in ("status", "version", "shards", "awake", "connections")),
        ["subscriptions", "1"],
        ["redis", "reached"],
    ]
    assert "link" not in ran.out


def test_of_several_each_has_a_row(command_line: CommandLine, answering: Answering) -> None:
    answering.health = {**ALONE, "shards_owned": 3000, "links": "not carried", "nodes": [SELF, OTHER]}
    ran = command_line.run(["status", "--url", answering.url])
    assert ran.status == 0
    assert "3000 of 4096" in ran.out
    assert "links: not carried" in ran.out
    rows = [[cell.strip() for cell in line.strip("│┃").split("│")] for line in ran.out.splitlines()]
    of_self, of_other = (next((row for row in rows if row[0] == one["url"]), rows) for one in (SELF, OTHER))
    assert of_self[1:] == ["up", "3000", "4.2 s", "1.0", "this node"]
    assert of_other[1:5] == ["draining", "1096", "0.7 s", "1.1"]
    assert of_other[5] == "no answer" and "512 bytes wait" in ran.out
    assert all(len(line) <= 80 for line in ran.out.splitlines())
