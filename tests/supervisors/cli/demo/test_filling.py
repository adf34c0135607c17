"""A world is filled over HTTP: a server that plays one."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import pytest

from greenroom.supervisors.cli.demo import filling
from greenroom.supervisors.cli.demo.filling import TRIES, Filling
from greenroom.supervisors.cli.demo.world import PHASES, Act, Demo
from greenroom.supervisors.cli.terminal.plainly import Trouble
from tests.e2e.server import wait_until

Play = Callable[["Asked"], tuple[int, Any]]


class Asked:
    """One command, as it came."""

    def __init__(self, path: str, user: str, key: str, fields: Any) -> None:
        self.path, self.user, self.key, self.fields = path, user, key, fields


class Played:
    """A server, and what it was asked."""

    def __init__(self, play: Play) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._play = play
        self._lock = Lock()

    def answer(self, asked: Asked) -> tuple[int, Any]:
        with self._lock:
            self.asked.append(asked)
            return self._play(asked)


@contextmanager
def playing(play: Play) -> Iterator[Played]:
    played = Played(play)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            token = self.headers["Authorization"].removeprefix("Bearer ")
            asked = Asked(self.path, token, self.headers["Idempotency-Key"], json.loads(body))
            status, answer = played.answer(asked)
            if status == 0:  # cut off
                self.close_connection = True
                return
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    played.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield played
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "AGAIN_S", 0.0)


def no(name: str, status: int = 403, *, temporary: bool = False) -> tuple[int, Any]:
    return status, {"error": {"name": name, "message": "no", "temporary": temporary}}


def yes(asked: Asked) -> tuple[int, Any]:
    """As a server that takes everything: each key has one answer."""
    if asked.path.endswith("/post"):
        return 200, {"id": f"{abs(hash(asked.key)):032x}"}
    return 200, {"offset": len(asked.key), "at_ms": 0} if "/thread/" in asked.path else {}


def act(name: str, **fields: Any) -> Act:
    given = {"user": "ann", "kind": "profile", "key": "ann", "command": "set"}
    return Act(name=name, **(given | fields))


def fill(played: Played, *acts: Act, at_once: int = 4) -> Filling:
    one = Filling(played.url, lambda user: f"token-{user}", key="k", at_once=at_once)
    told: list[int] = []
    one.phase(acts, told.append)
    assert told == list(range(1, len(acts) + 1))
    return one


def test_a_whole_world_is_filled_and_once_more_by_the_same_keys() -> None:
    world = Demo(15, 1)
    with playing(yes) as played:
        keys: list[set[str]] = []
        for _ in range(2):
            played.asked.clear()
            one = Filling(played.url, lambda user: f"token-{user}", key="k", at_once=4)
            for phase in PHASES:
                one.phase(world.acts(phase), lambda done: None)
            assert not one.filled.refused
            assert one.filled.done["profile.set"] == 15 and one.filled.done["post.react"] > 20
            keys.append({asked.key for asked in played.asked})
            assert len(keys[-1]) == len(played.asked) == sum(len(world.acts(phase)) for phase in PHASES)
        assert keys[0] == keys[1]
        shares = [asked for asked in played.asked if asked.fields.get("share_of")]
        replies = [asked for asked in played.asked if asked.fields.get("reply_to")]
        assert len(shares) == len(world.acts("shares")) > 0 and len(replies) == len(world.acts("replies")) > 0


def test_each_command_is_its_users_own() -> None:
    with playing(yes) as played:
        fill(played, act("a", user="zoë", key="zoë/x", fields={"name": "Zoë"}))
        (asked,) = played.asked
        assert (asked.path, asked.user, asked.key) == ("/api/profile/zo%C3%AB%2Fx/set", "token-zoë", "k a")


def test_what_is_only_for_now_is_asked_again_by_the_same_key() -> None:
    left = [no("overloaded", 429, temporary=True), no("post.not_found", 404), (0, None), (200, {})]
    with playing(lambda asked: left.pop(0)) as played:
        one = fill(played, act("a"))
        assert {asked.key for asked in played.asked} == {"k a"} and len(played.asked) == 4
        assert one.filled.done == {"profile.set": 1} and not one.filled.refused


def test_what_stays_so_is_refused_and_what_stands_on_it_is_left_out() -> None:
    def play(asked: Asked) -> tuple[int, Any]:
        return no("feed.posts_often", 429) if asked.fields.get("text") == "bad" else yes(asked)

    with playing(play) as played:
        one = fill(played, act("bad", kind="feed", command="post", fields={"text": "bad"}))
        one.phase([act("react", kind="post", key="", command="react", post=0)], lambda done: None)
        one.phase([act("reply", kind="thread", command="comment", comment="gone")], lambda done: None)
        assert one.filled.refused == {
            "feed.posts_often": 1,
            "its post was refused": 1,
            "its comment was refused": 1,
        }
        assert len(played.asked) == 1
        one.phase([act("not yet", fields={"name": "x"})], lambda done: None)
    with playing(lambda asked: no("unavailable", 503, temporary=True)) as played:
        assert fill(played, act("a")).filled.refused == {"unavailable": 1} and len(played.asked) == TRIES


def test_a_server_without_people_is_told_as_such() -> None:
    with playing(lambda asked: no("unknown_kind", 404)) as played:
        with pytest.raises(Trouble, match=r"GREENROOM_ENTITIES=greenroom\.social"):
            fill(played, *(act(str(number)) for number in range(50)), at_once=2)
        assert len(played.asked) <= 4, "and the others are not tried"


def test_where_one_fails_the_others_end_with_what_they_are_at() -> None:
    one: Filling

    def play(asked: Asked) -> tuple[int, Any]:
        if len(played.asked) == 1:
            return no("unknown_kind", 404)
        wait_until(lambda: bool(one._troubles), "the first to have failed")
        return yes(asked)

    with playing(play) as played:
        one = Filling(played.url, lambda user: "token", key="k", at_once=2)
        with pytest.raises(Trouble):
            one.phase([act(str(number)) for number in range(50)], lambda done: None)
        assert len(played.asked) == 2


def test_a_server_that_is_none_or_lets_nobody_in() -> None:
    for answer in ((401, {"error": {"name": "unauthenticated", "message": "no"}}), (200 + 302, "a page")):
        with playing(lambda asked, answer=answer: answer) as played:  # type: ignore[misc]
            with pytest.raises(Trouble, match="does not let us in"):
                fill(played, act("a"))
    with pytest.raises(Trouble, match="out of reach"):
        fill(played, act("a"))
