"""A server that is busy, or closes the connection: it is asked again, and told nothing twice."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from greenroom.config.settings import load_settings
from greenroom.supervisors.cli.chosen import connection as module
from greenroom.supervisors.cli.chosen.connection import AGAIN_MAX
from greenroom.supervisors.cli.sagas.server import Refusal, Server
from greenroom.supervisors.cli.terminal.plainly import Trouble

LOST = 0


class Answering(BaseHTTPRequestHandler):
    """Answers what `answers` has next, and notes the idempotency key of what came."""

    answers: ClassVar[list[tuple[int, Any]]] = []
    keys: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.append(self.headers["Idempotency-Key"])
        status, body = self.answers.pop(0)
        if status == LOST:
            return
        encoded = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    with HTTPServer(("127.0.0.1", 0), Answering) as served:
        Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        Answering.answers.clear()
        Answering.keys.clear()
        asked = Server(load_settings(), f"http://127.0.0.1:{served.server_port}", "secret")
        yield asked
        asked.close()
        served.shutdown()


BUSY = (429, {"error": {"name": "busy"}})


def test_what_is_busy_or_gone_for_a_moment_is_told_again_under_the_same_key(server: Server) -> None:
    Answering.answers += [BUSY, (503, None), (LOST, None), (200, {"status": "running"})]
    assert server.command("a:1", "retry", {}, "key") == {"status": "running"}
    assert Answering.keys == ["key"] * 4


def test_it_ends_with_what_the_server_says(server: Server) -> None:
    Answering.answers += [BUSY] * (AGAIN_MAX + 1)
    with pytest.raises(Refusal, match="busy"):
        server.command("a:1", "retry", {}, "key")
    Answering.answers += [(LOST, None)] * 2
    with pytest.raises(Trouble, match=r"127\.0\.0\.1"):
        server.command("a:1", "retry", {}, "key")
    assert not Answering.answers


def test_no_token_of_ours_goes_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_AUTH_SECRET", "s" * 32)
    Server(load_settings(), "http://127.0.0.1:1", None).close()
    with pytest.raises(Trouble, match="--token"):
        Server(load_settings(), "https://example.org", None)


def test_what_is_no_text_is_none_of_greenrooms(server: Server) -> None:
    with pytest.raises(Trouble, match="no JSON"):
        server._read(200, b'{"a": "\xff"}')
