"""A server behind nginx, as `deploy/nginx.conf` has it: everything that passes there, and what may not."""

import http.client
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from greenroom.transports.codecs.websocket import masked_text_frame
from tests.deploy.nginx import NAME, PROGRAM, Nginx
from tests.e2e.conftest import need
from tests.e2e.server import Answer, Server, wait_until

PREFIX = "/chat"
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    need("nginx", Path(PROGRAM).exists())
    # It knows its prefix whether the proxy leaves it on, as below, or has none.
    made = Server(GREENROOM_PATH_PREFIX=PREFIX, GREENROOM_ALLOWED_ORIGINS=f"https://{NAME}")
    made.start()
    yield made
    made.remove()


@pytest.fixture(scope="module", params=["", PREFIX], ids=["at the top", "below a path"])
def prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def nginx(server: Server, prefix: str) -> Iterator[Nginx]:
    with Nginx(server.port, prefix=prefix) as running:
        yield running


class Client:
    def __init__(self, nginx: Nginx, prefix: str) -> None:
        self._nginx = nginx
        self._prefix = prefix

    def connection(self, source: str = "127.0.0.1") -> http.client.HTTPSConnection:
        trusting = ssl.create_default_context(cafile=str(self._nginx.folder / "fullchain.pem"))
        return http.client.HTTPSConnection(
            "127.0.0.1", self._nginx.port, timeout=30, context=trusting, source_address=(source, 0)
        )

    def open(
        self, method: str, path: str, body: Any = None, *, source: str = "127.0.0.1", **headers: str
    ) -> http.client.HTTPResponse:
        """The answer, with its body still to be read."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = self.connection(source)
        connection.request(
            method,
            self._prefix + path,
            None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
            {"Host": NAME, "X-Greenroom-User": "ann", **named},
        )
        return connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None, **options: str) -> Answer:
        answer = self.open(method, path, body, **options)
        text = answer.read()
        found: Mapping[str, str] = {name.lower(): value for name, value in answer.getheaders()}
        is_json = found.get("content-type", "").startswith("application/json")
        return Answer(answer.status, found, json.loads(text) if is_json else text)


@pytest.fixture
def client(nginx: Nginx, prefix: str) -> Client:
    return Client(nginx, prefix)


@pytest.fixture
def room(prefix: str, request: pytest.FixtureRequest) -> str:
    return f"{request.function.__name__}{len(prefix)}"


def test_commands_views_and_histories(client: Client, room: str) -> None:
    assert client.ask("POST", f"/api/room/{room}/send", {"text": "hi"}).status == 200
    assert client.ask("GET", f"/api/room/{room}").body["offset"] == 2
    assert len(client.ask("GET", f"/api/room/{room}/history?limit=10").body["publications"]) == 2
    ours = client.ask("POST", f"/api/room/{room}/send", {"text": "hi"}, Origin=f"https://{NAME}")
    assert ours.status == 200, "a page of the same name"
    theirs = client.ask("POST", f"/api/room/{room}/send", {"text": "hi"}, Origin="https://evil.example")
    assert theirs.status == 403
    in_the_clear = {"Origin": f"http://{NAME}"}  # so named, and it came over TLS: another page
    assert client.ask("POST", f"/api/room/{room}/send", {"text": "hi"}, **in_the_clear).status == 403
    assert client.ask("GET", "/connection/websocket", **in_the_clear, **UPGRADE).status == 403
    assert client.ask("POST", f"/api/room/{room}/send", b"x" * 900_000).status == 400, "a long body comes through"
    assert client.ask("GET", "/ready").status == 200


def test_a_key_with_a_slash_and_one_with_a_percent(client: Client, room: str) -> None:
    for key, shown in ((f"{room}%2Fb", f"{room}/b"), (f"{room}%252Fb", f"{room}%2Fb"), (f"{room}%D1%8F", f"{room}я")):
        assert client.ask("POST", f"/api/room/{key}/send", {"text": shown}).status == 200
        (message,) = client.ask("GET", f"/api/room/{key}").body["view"]["messages"]
        assert message["text"] == shown


def test_a_websocket(client: Client, room: str) -> None:
    connection = client.connection()
    connection.connect()
    sock = connection.sock
    path = f"{client._prefix}/connection/websocket"
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": NAME, **UPGRADE}.items())
    sock.sendall(f"GET {path} HTTP/1.1\r\n{head}Origin: https://{NAME}\r\n\r\n".encode())
    subscribe = {"subscribe": {"channel": f"room:{room}"}, "id": 2}
    commands = [{"connect": {"data": {"user": "ann"}}, "id": 1}, subscribe]
    text = b"\n".join(json.dumps(one).encode() for one in commands)
    sock.sendall(masked_text_frame(text, b"mask"))
    got = b""
    while b'"id":2' not in got:
        piece = sock.recv(65_536)
        assert piece, got
        got += piece
    assert got.startswith(b"HTTP/1.1 101 ")
    connection.close()


def test_the_log_has_no_signatures(client: Client, nginx: Nginx, prefix: str) -> None:
    """Each opens a file for whoever reads it."""
    client.ask("GET", "/media/0123456789abcdef01234567/thumb?expires=9999999999&signature=hush")
    log = nginx.folder / "access.log"
    wait_until(lambda: f"GET {prefix}/media/" in log.read_text(), "the request to be in the log")
    assert "hush" not in log.read_text() and "hush" not in nginx.log()


@pytest.mark.parametrize("path", ["/health", "/api/room/lobby", "/connection/websocket"])
def test_nothing_becomes_http_2_behind_its_back(client: Client, path: str) -> None:
    answer = client.ask("GET", path, Upgrade="h2c", Connection="Upgrade, HTTP2-Settings", HTTP2_Settings="AAMAAABk")
    assert answer.status in (200, 426)


class Heads(BaseHTTPRequestHandler):
    """A node that only notes what nginx passes on to it."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[Mapping[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def behind() -> Iterator[Client]:
    """Before a node that only notes."""
    need("nginx", Path(PROGRAM).exists())
    Heads.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Heads) as node:
        node.daemon_threads = True
        serving = Thread(target=node.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            with Nginx(node.server_port) as running:
                yield Client(running, "")
        finally:
            node.shutdown()
            serving.join()


def test_what_a_connection_may_become_is_asked_of_nodes_where_it_may_and_nothing_else(behind: Client) -> None:
    """Nodes decline the rest; they are not to be asked for it either."""
    for path in ("/health", "/api/room/lobby", "/events?channel=room:lobby", "/metrics", "/connection/websocket"):
        for asked in ("h2c", "websocket", "WebSocket", "websocket, h2c"):
            behind.ask("GET", path, Upgrade=asked, Connection="Upgrade, HTTP2-Settings", HTTP2_Settings="AAMAAABk")
            head = Heads.seen.pop()
            passed = "connection" in path and asked.lower() == "websocket"
            assert (head.get("upgrade"), head.get("connection")) == (
                ("websocket", "upgrade") if passed else (None, None)
            ), (path, asked)
            assert (head["host"], head["x-forwarded-proto"]) == (NAME, "https"), path


def test_the_metrics_are_not_for_the_world(client: Client) -> None:
    assert client.ask("GET", "/metrics").status == 200
    assert client.ask("GET", "/metrics", source="127.0.0.2").status == 403


def test_an_event_stream_of_as_many_channels_as_may_be(client: Client, room: str) -> None:
    query = "&".join(f"channel=room:{room}-{at}-{'%D1%8F' * 90}" for at in range(32))
    answer = client.open("GET", f"/events?{query}")
    assert answer.status == 200
    seen = [line for _, line in zip(range(4 * 32), answer, strict=False) if line.startswith(b"event: view")]
    assert len(seen) == 32


def test_an_event_stream_is_told_at_once_and_comes_again_after_a_stop(
    client: Client, server: Server, room: str
) -> None:
    """As a browser's EventSource does, which goes on at 200 alone."""
    answer = client.open("GET", f"/events?channel=room:{room}")
    assert (answer.status, answer.getheader("content-type")) == (200, "text/event-stream; charset=utf-8")
    next_event(answer)
    client.ask("POST", f"/api/room/{room}/send", {"text": "one"})
    last = [next_event(answer)["id"] for _ in range(2)][-1]
    server.stop()
    assert re.fullmatch(rb":*retry: \d+", answer.read().strip(b":\n")), (
        "it ends in good order, and says when to come again"
    )
    meanwhile = client.open("GET", f"/events?channel=room:{room}", Last_Event_ID=last, Origin="https://evil.example")
    assert meanwhile.status == 200
    assert meanwhile.getheader("content-type") == "text/event-stream"
    assert meanwhile.getheader("access-control-allow-origin") == "https://evil.example"
    assert b"retry: 2000\n" in meanwhile.read()
    server.start()
    wait_until(lambda: client.ask("GET", "/ready").status == 200, "the way to it")
    assert client.ask("POST", f"/api/room/{room}/send", {"text": "two"}).status == 200
    again = next_event(client.open("GET", f"/events?channel=room:{room}", Last_Event_ID=last))
    assert json.loads(again["data"])["data"]["text"] == "two"


def next_event(answer: http.client.HTTPResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in answer:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if not name and "data" in found:
            return found
        found[name] = value
    raise EOFError(found)


def test_plain_http_is_sent_to_tls(nginx: Nginx) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", nginx.plain_port, timeout=15)
    connection.request("GET", "/docs?x=%2F", headers={"Host": NAME})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("location")) == (301, f"https://{NAME}/docs?x=%2F")
    connection.close()
