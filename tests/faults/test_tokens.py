"""Tokens that don't count: expired, forged, of another algorithm, in the wrong place."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest

from tests.e2e.server import Server
from tests.faults.peer import Peer, connected, upgraded

SECRET = "a secret of these tests, long enough for HS256"


@pytest.fixture(scope="module")
def _strict_server() -> Iterator[Server]:
    server = Server(GREENROOM_ENV="staging", GREENROOM_AUTH_SECRET=SECRET, GREENROOM_CLIENT_EXPIRED_CLOSE_DELAY_S="0")
    server.start()
    yield server
    server.remove()


@pytest.fixture
def strict_server(_strict_server: Server) -> Iterator[Server]:
    """A server that lets in nobody without a token."""
    yield _strict_server
    log = _strict_server.log()
    print(log[-20_000:])
    assert SECRET not in log and "eyJ" not in log  # neither the secret nor a token is ever logged


def token(secret: str = SECRET, algorithm: str | None = "HS256", **claims: object) -> str:
    return jwt.encode({"sub": "ann", "exp": int(time.time()) + 600, **claims}, secret, algorithm=algorithm)


def unsigned(**claims: object) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": "ann", "exp": int(time.time()) + 600, **claims})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, ""])


def tampered() -> str:
    head, _, signature = token().split(".")
    body = base64.urlsafe_b64encode(b'{"sub":"root","exp":9999999999}').rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


FORGED: dict[str, Callable[[], str]] = {
    "nonsense": lambda: "nonsense",
    "three dots": lambda: "...",
    "another secret": lambda: token("another secret that is also long enough"),
    "no signature": unsigned,
    "another algorithm": lambda: token(SECRET * 2, "HS512"),
    "tampered": tampered,
    "a number for a user": lambda: token(sub=5),
    "an endless one": lambda: "e" * 20_000,
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_refused_for_good(strict_server: Server, forge: Callable[[], str]) -> None:
    forged = forge()
    with upgraded(strict_server) as peer:
        peer.command(connect={"token": forged})
        assert peer.end().code == 3500
    if len(forged) < 16_000:
        answer = strict_server.request(
            "POST", "/api/room/x/send", {"text": "x"}, user=None, headers={"Authorization": f"Bearer {forged}"}
        )
        assert answer.status == 401 and answer.body["error"]["name"] == "unauthenticated"
        stream = strict_server.request(
            "GET", "/events?channel=room:x", user=None, headers={"Authorization": f"Bearer {forged}"}
        )
        assert stream.status == 401


@pytest.mark.parametrize("claims", [{"exp": -60}, {"nbf": 600}], ids=["expired", "not valid yet"])
def test_a_token_out_of_its_time_is_told_apart(strict_server: Server, claims: dict[str, int]) -> None:
    times: dict[str, Any] = {name: int(time.time()) + seconds for name, seconds in claims.items()}
    expired = token(**times)
    with upgraded(strict_server) as peer:
        error = peer.ask(connect={"token": expired})["error"]
        assert error["code"] == 109  # the SDKs fetch another and come back
    answer = strict_server.request("GET", "/api/room/x", user=None, headers={"Authorization": f"Bearer {expired}"})
    assert answer.status == 401 and answer.body["error"]["name"] == "token_expired"


def test_a_token_that_expires_ends_its_connection(strict_server: Server) -> None:
    with upgraded(strict_server) as peer:
        connect = peer.ask(connect={"token": token(exp=int(time.time()) + 2)})["connect"]
        assert connect["expires"] is True and connect["ttl"] <= 2
        assert peer.end().code == 3005


def test_without_a_token_nobody_names_himself(strict_server: Server) -> None:
    with upgraded(strict_server) as peer:
        assert peer.ask(connect={"data": {"user": "root"}})["error"]["code"] == 101
    for path in ("/api/room/x", "/events?channel=room:x"):
        assert strict_server.request("GET", path, user="root").status == 401


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer", "token abc"])
def test_other_schemes_are_refused(strict_server: Server, header: str) -> None:
    answer = strict_server.request("GET", "/api/room/x", user=None, headers={"Authorization": header})
    assert answer.status == 401


def test_a_refresh_may_not_change_who_one_is(strict_server: Server) -> None:
    for wrong in (token(sub="root"), token("another secret that is also long enough")):
        with upgraded(strict_server) as peer:
            assert "connect" in peer.ask(connect={"token": token()})
            peer.command(refresh={"token": wrong})
            assert peer.end().code == 3500


def test_with_a_secret_a_local_server_still_refuses_forged_tokens(fresh_server: Server) -> None:
    """ENV=local lets in clients without a token; one that brings a token is held to it."""
    fresh_server._settings |= {"GREENROOM_AUTH_SECRET": SECRET}
    fresh_server.start()
    with connected(fresh_server, "ann"):
        pass
    with upgraded(fresh_server) as peer:
        peer.command(connect={"token": token("another secret that is also long enough")})
        assert peer.end().code == 3500
    with upgraded(fresh_server) as peer:
        assert "connect" in peer.ask(connect={"token": token()})


def test_a_users_name_is_bounded(server: Server) -> None:
    with Peer(server) as peer:
        peer.send(b"GET /api/room/x HTTP/1.1\r\nHost: x\r\nX-Greenroom-User: %b\r\n\r\n" % (b"u" * 256))
        assert peer.answer()[0] == 401
    with Peer(server) as peer:
        peer.send(b"GET /api/room/x HTTP/1.1\r\nHost: x\r\nX-Greenroom-User: \xff\xfe\r\n\r\n")
        assert peer.answer()[0] == 401
