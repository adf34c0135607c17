"""What a server says, told to whoever has typed a command; and whom a token is sent to."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from greenroom.config.settings import load_settings
from greenroom.supervisors.cli.chosen import connection as module
from greenroom.supervisors.cli.jobs.server import Server, refused, staff_token
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble


def said(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


def test_an_error_names_the_field() -> None:
    trouble = refused(422, said(name="invalid", message="x", fields={"priority": "must be <= 9"}))
    assert (str(trouble), trouble.status) == ("422 invalid: priority: must be <= 9", BAD_USAGE)
    assert refused(503, said(name="unavailable", message="later")).status == 1
    assert "GREENROOM_WORK_TOKEN" in str(refused(403, said(name="forbidden", message="no")))
    for page in (b"<html>", b"[]", b'{"error": 7}', b"\xff"):
        assert "none of Greenroom's" in str(refused(502, page))


LOST = 0


class Answering(BaseHTTPRequestHandler):
    """Answers what `answers` has next, and notes what came."""

    answers: ClassVar[list[tuple[int, Any]]] = []
    asked: ClassVar[list[tuple[str, str | None]]] = []
    keys: ClassVar[list[str | None]] = []
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.keys.append(self.headers["Idempotency-Key"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        status, body = self.answers.pop(0)
        if status == LOST:
            self.close_connection = True
            return
        self.send_response(status)
        if status == 302:
            self.send_header("Location", body)
            body = ""
        encoded = json.dumps(body).encode()
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as served:
        served.block_on_close = False  # connections are kept
        Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        Answering.answers.clear()
        Answering.asked.clear()
        Answering.keys.clear()
        yield Server(f"http://127.0.0.1:{served.server_port}/", "secret")
        served.shutdown()


def test_a_list_is_read_page_by_page_up_to_as_many_as_are_wanted(answering: Server) -> None:
    Answering.answers += [(200, {"rows": [{"n": 1}], "next": "c d"}), (200, {"rows": [{"n": 2}], "next": "e"})]
    assert list(answering.rows("/api/jobs", {"queue": "q", "kind": None}, 2)) == [{"n": 1}, {"n": 2}]
    assert [path for path, _ in Answering.asked] == [
        "/api/jobs?queue=q&limit=2",
        "/api/jobs?queue=q&limit=1&after=c+d",
    ]
    Answering.answers += [(200, {"rows": [], "next": None})]
    assert list(answering.rows("/api/queues", {})) == []


def test_what_is_only_for_now_is_asked_again_and_nothing_else(answering: Server) -> None:
    busy = {"error": {"name": "overloaded", "message": "later", "temporary": True}}
    Answering.answers += [(429, busy), (503, busy), (200, {"view": {"n": 1}})]
    assert answering.view("queue", "a/b") == {"n": 1}
    assert Answering.asked[-1] == ("/api/queue/a%2Fb", "Bearer secret")
    Answering.answers += [(404, {"error": {"name": "not_found", "message": "there is none"}})]
    with pytest.raises(Trouble, match="404 not_found: there is none"):
        answering.get("/api/jobs")


def test_a_command_has_one_key_however_often_it_is_sent(answering: Server) -> None:
    busy = {"error": {"name": "overloaded", "message": "later", "temporary": True}}
    Answering.answers += [(503, busy), (200, {"ids": ["a"]}), (200, {"ids": ["a"]})]
    for _ in range(2):
        answering.command("queue", "q", "add_many", {"jobs": []})
    first, again, other = Answering.keys
    assert first == again != other and first


def test_what_was_on_its_way_as_the_connection_was_lost_is_sent_once_more_under_its_key(answering: Server) -> None:
    Answering.answers += [(200, {"ids": []}), (LOST, None), (200, {"ids": ["a"]}), (LOST, None), (LOST, None)]
    assert answering.command("queue", "q", "add", {}) == {"ids": []}
    assert answering.command("queue", "q", "add", {}) == {"ids": ["a"]}
    assert Answering.keys[1] == Answering.keys[2] != Answering.keys[0]
    with pytest.raises(Trouble, match=r"127\.0\.0\.1"):
        answering.command("queue", "q", "add", {})


def test_the_token_does_not_go_where_the_server_sends_it(answering: Server) -> None:
    Answering.answers += [(302, "/elsewhere")]
    with pytest.raises(Trouble, match="302"):
        answering.get("/api/jobs")
    assert len(Answering.asked) == 1


def test_our_own_token_is_for_the_server_with_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_ENV", "local")
    monkeypatch.setenv("GREENROOM_AUTH_SECRET", "x" * 40)
    monkeypatch.delenv("GREENROOM_WORK_TOKEN", raising=False)
    settings = load_settings()
    assert staff_token(settings, None).count(".") == 2
    with pytest.raises(Trouble, match="GREENROOM_WORK_TOKEN: must be set"):
        staff_token(settings, "https://example.org")
    monkeypatch.setenv("GREENROOM_WORK_TOKEN", " abc\n")
    assert staff_token(load_settings(), "https://example.org") == "abc"
    monkeypatch.setenv("GREENROOM_WORK_TOKEN", "a b")
    with pytest.raises(Trouble, match="without spaces"):
        staff_token(load_settings(), None)
