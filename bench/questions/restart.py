"""With many entities stored, how long from starting the server to its first answered command?

Three ways to come to a start, each several times: an orderly stop; a SIGKILL of the server, whose Postgres then shuts
down in order while the next server waits for it; and a SIGKILL of all processes at once, so that Postgres recovers from
its log. Before each, commands are written to sleeping entities, so there is something to write out and to recover.

The entities are copies of two real rooms (bench/stored.py).
"""

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.home import Home, home
from bench.load import frames, publications
from bench.load.clients import Client, Clients, connect_command
from bench.question import Answer, Figure, Question, Say, param
from bench.server import START_S, ServerFailed, log_end, machine_s
from bench.stored import OWNER, Stored, copy_models, make_models

SHORT_EVENTS, LONG_EVENTS = 8, 40
PREFIX = "room:restart-"
LONG_EACH = 20  # every so manieth entity is a long one
WINDOW = 64  # commands on their way at once
QUIET_S = 0.3  # how long the machine is looked at before each restart
WAYS = ("stop", "kill", "crash")


@dataclass(frozen=True, kw_only=True)
class Restart:
    entities: int = param(100_000, "entities stored, all asleep")
    restarts: int = param(3, "restarts of each of the three ways; the median counts")
    written: int = param(2_000, "commands to as many entities before each stop")


class Rooms:
    """Which offset the next message in each room must get. A room that answers with a lower one has lost some."""

    def __init__(self, count: int, *, seed: int = 0) -> None:
        self._count = count
        self._written: dict[int, int] = {}
        self._random = random.Random(seed)
        self.wrong = 0

    def last(self, room: int) -> int:
        """The highest acknowledged offset."""
        return self._written.get(room, LONG_EVENTS if room % LONG_EACH == 0 else SHORT_EVENTS)

    def acknowledge(self, room: int, offset: int) -> None:
        self.wrong += offset != self.last(room) + 1
        self._written[room] = offset

    def some(self, number: int) -> list[int]:
        """Different ones, at most `number`."""
        return self._random.sample(range(self._count), min(number, self._count))


class _Writer(Clients):
    """Writes to each room once, over one WebSocket."""

    def __init__(self, address: tuple[str, int], rooms: Rooms) -> None:
        super().__init__(address, window=1)
        self._rooms = rooms
        self._asked: dict[int, int] = {}  # command id -> room

    def write(self, rooms: list[int], within_s: float = 60.0) -> None:
        """Raises: ServerFailed when a message was refused or not answered in time."""
        client = Client(0, [connect_command(OWNER)])
        self.open_all([client], within_s=10.0)
        waiting = list(enumerate(rooms, 10))
        deadline = time.monotonic() + within_s
        while waiting or self._asked:
            while waiting and len(self._asked) < WINDOW:
                number, room = waiting.pop()
                self._asked[number] = room
                self.send(client, frames.text(json.dumps(_command(number, room)).encode()))
            self.turn(0.1)
            if time.monotonic() > deadline:
                raise ServerFailed(f"{len(self._asked)} messages were not answered within {within_s:.0f} s")
        self.drop(client)

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        for line in payload.split(b"\n"):
            if line.startswith(publications.PUSH):
                continue  # who is online
            reply = publications.reply(line)
            if reply.error:
                raise ServerFailed(f"a message was refused: {reply.error}")
            self._rooms.acknowledge(self._asked.pop(reply.id), reply.offset)


def _command(number: int, room: int) -> dict[str, Any]:
    data = {"text": f"message {number}", "idempotency_key": f"{number}-{time.monotonic_ns()}"}
    return {"id": number, "rpc": {"method": f"{PREFIX}{room}/send", "data": data}}


# The first answer.


def _by_http(address: tuple[str, int], room: int) -> int:
    """The offset of a message sent to a server that listens. Raises: ServerFailed, OSError, http.client errors."""
    wire = http.client.HTTPConnection(*address, timeout=START_S)
    try:
        headers = {"X-Greenroom-User": OWNER, "Idempotency-Key": f"http-{time.monotonic_ns()}"}
        wire.request("POST", f"/api/room/restart-{room}/send", b'{"text":"first"}', headers)
        answer = wire.getresponse()
        said = answer.read()
    finally:
        wire.close()
    if answer.status != 200:
        raise ServerFailed(f"the first command was answered with {answer.status} {said[:300]!r}")
    return int(json.loads(said)["offset"])


def _by_websocket(address: tuple[str, int], room: int) -> int:
    """The same over WebSocket: upgrade, connect and command. Raises: ServerFailed, TimeoutError, clients.Refused."""
    clients = Clients(address, window=1)
    client = Client(0, [connect_command(OWNER), _command(2, room)])
    clients.open_all([client], within_s=START_S)
    offset = int(client.replies[2]["rpc"]["data"]["offset"])
    clients.drop(client)
    return offset


def _first_answers(home: Home, rooms: Rooms) -> dict[str, float]:
    """Start the server and send at once to two sleeping rooms; seconds from the start to either answer."""
    home.launch()
    begun = time.monotonic()
    found: dict[str, float] = {}
    failures: list[Exception] = []

    def ask(name: str, how: Callable[[tuple[str, int], int], int], room: int) -> None:
        try:
            _wait_for_port(home, begun + START_S)
            offset = how(home.address, room)
            found[name] = time.monotonic() - begun
            rooms.acknowledge(room, offset)
        except Exception as error:  # of a thread: told to the one that waits
            failures.append(error)

    first, second = rooms.some(2)
    threads = [
        threading.Thread(target=ask, args=("http", _by_http, first)),
        threading.Thread(target=ask, args=("websocket", _by_websocket, second)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise ServerFailed(f"no first answer: {failures[0]!r}; the server's log ends:\n{log_end(home.folder)}")
    return found


def _wait_for_port(home: Home, deadline: float) -> None:
    """Until it takes connections; it may answer them much later."""
    while True:
        with suppress(OSError), socket.create_connection(home.address, timeout=1.0):
            return
        home.check(deadline)
        time.sleep(0.002)


def answer(params: Restart, say: Say) -> Answer:
    rooms = Rooms(params.entities)
    model = Stored(
        entities=params.entities,
        prefix=PREFIX,
        short_events=SHORT_EVENTS,
        long_events=LONG_EVENTS,
        long_each=LONG_EACH,
    )
    took: dict[str, list[float]] = {}
    others: list[float] = []
    with home() as ours:
        say("making the database", 0.0)
        ours.start()
        make_models(ours.address, model)
        ours.end("stop")
        say("storing the entities", 0.1)
        stored = copy_models(ours.data_dir, model)
        ours.start()
        restarts = [way for _ in range(params.restarts) for way in WAYS]
        for number, way in enumerate(restarts):
            say(f"after a {way}", 0.4 + 0.6 * number / len(restarts))
            _Writer(ours.address, rooms).write(rooms.some(params.written))
            others.append(_busy_share())
            begun = time.monotonic()
            ours.end(way)
            took.setdefault(f"{way}_itself", []).append(time.monotonic() - begun)
            for name, seconds in _first_answers(ours, rooms).items():
                took.setdefault(f"{way}_{name}", []).append(seconds)
    found = {name: round(median(each), 3) for name, each in took.items()}
    busy = median(others)
    slow = max(seconds for name, each in took.items() if not name.endswith("_itself") for seconds in each)
    return Answer(
        {
            "entities": stored["entities"],
            "first_reply_s": found["stop_http"],
            "after_kill_s": found["kill_http"],
            "after_crash_s": found["crash_http"],
            "websocket_s": found["stop_websocket"],
            "websocket_after_kill_s": found["kill_websocket"],
            "websocket_after_crash_s": found["crash_websocket"],
            "lost": rooms.wrong,
            "slowest_s": round(slow, 3),
            "stopping_s": found["stop_itself"],
            "events": stored["events"],
            "snapshots": stored["snapshots"],
            "database_mb": stored["database_mb"],
            "busy_share": round(busy, 3),
        },
        {},
        [f"the machine was busy to {busy:.0%} before the restarts: expect worse figures"] if busy > 0.1 else [],
    )


def _busy_share() -> float:
    """How much of one core the machine used while nobody asked it for anything."""
    before = machine_s()
    time.sleep(QUIET_S)
    return (machine_s() - before) / QUIET_S


QUESTION = Question(
    name="restart",
    asks="With many entities stored, how long from starting the server to its first answered command?",
    params=Restart,
    figures={
        "entities": Figure("entities stored, none of them awake", at_least=100_000),
        "first_reply_s": Figure("to the first reply over HTTP, after an orderly stop", at_most=2.0),
        "after_kill_s": Figure("the same after a SIGKILL of the server; its Postgres shuts down first", at_most=2.0),
        "after_crash_s": Figure("the same after a SIGKILL of server, Postgres and Valkey", at_most=2.0),
        "websocket_s": Figure("to the first reply over WebSocket, after an orderly stop", at_most=2.0),
        "websocket_after_kill_s": Figure("the same after a SIGKILL of the server", at_most=2.0),
        "websocket_after_crash_s": Figure("the same after a SIGKILL of all", at_most=2.0),
        "lost": Figure("first replies whose offset does not follow the last acknowledged one", at_most=0),
        "slowest_s": Figure("the slowest of all first replies"),
        "stopping_s": Figure("what the orderly stop itself took"),
        "busy_share": Figure("of a core, used just before the restarts, when nothing was asked"),
    },
    answer=answer,
)
