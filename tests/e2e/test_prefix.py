"""Below a path of a proxy: pages, commands, streams and sockets, with the prefix left on and taken off."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.server import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(GREENROOM_PATH_PREFIX="/apps/chat/")
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.mark.parametrize("prefix", ["", "/apps/chat"])
def test_every_address_is_found_with_and_without_it(server: Server, prefix: str) -> None:
    sent = server.request("POST", f"{prefix}/api/room/lobby/send", {"text": "hi"})
    assert sent.status == 200
    for path in ("/", "/static/chat.js", "/health", "/ready", "/metrics", "/docs", "/api/room/lobby"):
        assert server.request("GET", f"{prefix}{path}").status == 200, path
    assert b"event: view" in first_event(server, f"{prefix}/events?channel=room:lobby")
    upgraded = server.request("GET", f"{prefix}/connection/websocket")
    assert upgraded.status == 426 and upgraded.body["error"]["name"] == "bad_handshake"


def first_event(server: Server, path: str) -> bytes:
    connection = server.connection()
    connection.request("GET", path)
    answer = connection.getresponse()
    try:
        return answer.fp.readline()
    finally:
        connection.close()


def test_the_prefix_alone_leads_to_its_page(server: Server) -> None:
    answer = server.request("GET", "/apps/chat")
    assert (answer.status, answer.headers["location"]) == (308, "chat/")
    assert server.request("GET", "/apps/chatter").status == 404


def test_the_documents_say_where_they_are(server: Server) -> None:
    openapi = server.request("GET", "/apps/chat/docs/openapi.json").body
    assert openapi["servers"] == [{"url": "/apps/chat"}]
    asyncapi = server.request("GET", "/apps/chat/docs/asyncapi.json").body
    assert asyncapi["servers"]["here"]["pathname"] == "/apps/chat/connection/websocket"
    assert asyncapi["servers"]["here"]["host"] == f"127.0.0.1:{server.port}"
    assert "/apps/chat" not in json.dumps(openapi["paths"])
