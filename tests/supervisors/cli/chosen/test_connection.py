"""A server that is busy, or closes the connection: it is asked again, and told nothing twice."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from greenroom.supervisors.cli.chosen import connection as module
from greenroom.supervisors.cli.chosen.connection import AGAIN_MAX, Connection
from greenroom.supervisors.cli.terminal.plainly import Trouble

LOST = 0


class Answering(BaseHTTPRequestHandler):
    """Answers what `answers` has next, and notes what came."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[list[int]] = []
    came: ClassVar[list[tuple[str, str | None, str]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.came.append((self.path, self.headers["Idempotency-Key"], self.headers["Authorization"]))
        status = self.answers.pop(0)
        if status == LOST:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "2")
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as served:
        served.block_on_close = False
        Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        Answering.answers.clear()
        Answering.came.clear()
        tokens = iter(f"t{number}" for number in range(100))
        one = Connection(f"http://127.0.0.1:{served.server_port}/below/", lambda: next(tokens))
        yield one
        one.close()
        served.shutdown()


def test_what_is_busy_or_gone_for_a_moment_is_told_again_under_the_same_key(asked: Connection) -> None:
    Answering.answers += [429, 503, LOST, 200]
    assert asked.post("/api/a/1/retry", {}, "key") == (200, b"{}")
    assert Answering.came == [("/below/api/a/1/retry", "key", f"Bearer t{number}") for number in range(4)]


def test_it_ends_with_what_the_server_says(asked: Connection) -> None:
    Answering.answers += [429] * (AGAIN_MAX + 1)
    assert asked.post("/x", {}, "key")[0] == 429
    Answering.answers += [LOST] * 2
    with pytest.raises(Trouble, match=r"127\.0\.0\.1"):
        asked.post("/x", {}, "key")
    assert not Answering.answers


def test_it_does_not_go_where_the_server_sends_it(asked: Connection) -> None:
    Answering.answers += [302]
    assert asked.get("/api/jobs", {"queue": "a b", "after": None})[0] == 302
    assert [path for path, _, _ in Answering.came] == ["/below/api/jobs?queue=a+b"]
