"""Does what one does to many stall everybody else, and do those who sleep cost anything?

A room with thousands of watchers is closed, and a user with a thousand connections signs out, each while somebody else
asks other rooms steadily; how much longer do they wait? Their worst wait counts, less the median before. The server has
a million sleeping entities all the while, and at the end nobody asks anything: what does its process use then?
"""

import http.client
import json
import os
import time
from dataclasses import dataclass
from typing import Any

from bench.home import home
from bench.load.clients import Client, Clients, connect_command, subscribe_command
from bench.load.frames import ServerClosed
from bench.load.generators import Link, fleet
from bench.load.steady import Delay, Plan, ask_steadily, delay
from bench.question import Answer, Figure, Question, Results, Say, param
from bench.server import Cost, Server, ServerFailed
from bench.stored import Stored, copy_models, make_models

CLOSED, OWNER, SIGNED_OUT = "room:closed", "owner", "devices"
SHORT_EVENTS, LONG_EVENTS, LONG_EACH = 2, 40, 100
STEADY_S = 3.0  # of steady commands before something happens
AFTER_S = 0.5  # behind the last that was told: what comes of it counts, too
CONNECT_S, TOLD_S = 120.0, 60.0
SETTLED_S = 2.0  # between the last that has come and the first steady command
LATE_MS = 5.0  # beyond that the generator is to be doubted
UNSUBSCRIBED = b'"unsubscribe":{'


@dataclass(frozen=True, kw_only=True)
class Calm:
    watchers: int = param(10_000, "watchers of the room that is closed, each a user of its own")
    connections: int = param(1_000, "connections of the user who signs out")
    watched: int = param(10, "rooms that each of these connections watches")
    rate: float = param(400.0, "steady commands a second, of which half write")
    sleepers: int = param(1_000_000, "entities stored, all asleep")
    settle: float = param(630.0, "seconds from the start until idleness is measured: by then retention sweeps")
    idle: float = param(60.0, "how long it is measured")
    rest_ms: float = param(5.0, "pause of the watchers between two looks at their sockets")


# Those whom it is done to.


@dataclass(frozen=True, slots=True)
class _Crowd:
    address: tuple[str, int]
    users: tuple[str, ...]  # of its connections
    watched: tuple[str, ...]  # what each watches
    rest_ms: float


class _Watchers(Clients):
    """Each is told once: that it is unsubscribed, or that its connection ends."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, window=256)
        self.told: set[Client] = set()
        self.last_ns = 0

    def on_live(self, client: Client) -> None:
        for line in client.early:
            self.on_payload(client, line, time.perf_counter_ns())

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        if UNSUBSCRIBED in payload:
            self._is_told(client)

    def on_down(self, client: Client, why: ServerClosed) -> None:
        self._is_told(client)

    def _is_told(self, client: Client) -> None:
        self.told.add(client)
        self.last_ns = time.perf_counter_ns()


def _watch(link: Link, crowd: _Crowd) -> None:
    os.nice(10)  # elsewhere they would take nothing from the server, nor from those who ask steadily
    watchers = _Watchers(crowd.address)
    hello = [{**subscribe_command(room), "id": number} for number, room in enumerate(crowd.watched, 2)]
    clients = [Client(number, [connect_command(user), *hello]) for number, user in enumerate(crowd.users)]
    watchers.open_all(clients, within_s=CONNECT_S)
    if watchers.told:
        raise ServerFailed(f"{len(watchers.told)} of {len(clients)} had ended before anything was done to them")
    link.say("watching")
    link.measure()
    while len(watchers.told) < len(clients):
        watchers.turn(0.05)
        time.sleep(crowd.rest_ms / 1e3)
    link.say("told", {"told": len(watchers.told), "last_ns": watchers.last_ns, **link.cost()})
    while not link.heard("end")[0]:  # or else all who are still there would leave at once, which is another question
        watchers.turn(0.1)


# What is done to them.


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one crowd and of everybody else."""

    told: int
    took_ms: float
    writing: Delay
    reading: Delay
    late_ms: float
    generators_s: float
    cost: Cost
    doubts: list[str]

    def results(self, name: str) -> Results:
        return {
            f"{name}_delay_ms": round(max(self.writing.delay_ms, self.reading.delay_ms), 2),
            f"{name}_loop_late_ms": round(self.reading.worst_ms, 2),
            f"{name}_took_ms": round(self.took_ms, 1),
            f"{name}_before_ms": round(self.writing.before_ms, 2),
            f"{name}_before_worst_ms": round(max(self.writing.before_worst_ms, self.reading.before_worst_ms), 2),
        }


def _do_to(crowd: _Crowd, server: Server, rate: float, command: str, user: str, fields: dict[str, Any]) -> _Done:
    """Ask steadily, then have `user` give `command`, of which everyone in the crowd is to be told.

    Raises: ServerFailed, GeneratorFailed.
    """
    with fleet(_watch, [crowd]) as watchers:
        watchers.wait("watching", within_s=CONNECT_S + 10.0)
        time.sleep(SETTLED_S)
        with fleet(ask_steadily, [Plan(crowd.address, rate)]) as steady:
            steady.wait("steady", within_s=60.0)
            before = server.cost()
            time.sleep(STEADY_S)
            begun_ns = time.perf_counter_ns()
            _command(crowd.address, command, user, fields)
            (told,) = watchers.wait("told", within_s=TOLD_S)
            time.sleep(AFTER_S)
            steady.tell("end")
            watchers.tell("end")
            (asked,) = steady.wait("done", within_s=30.0)
            cost = server.cost() - before
    doubts = []
    if asked["errors"] or asked["downs"] or asked["unanswered"]:
        doubts.append(f"not answered: {asked['unanswered']}, refused: {asked['errors']}, ended: {asked['downs']}")
    if asked["late_ms"] > LATE_MS:
        doubts.append(f"a steady command left {asked['late_ms']:.1f} ms late: its generator stood still")
    last_ns = told["last_ns"]
    ended_ns = last_ns + int(AFTER_S * 1e9)
    return _Done(
        told["told"],
        (last_ns - begun_ns) / 1e6,
        delay(asked["writing"], begun_ns, ended_ns),
        delay(asked["reading"], begun_ns, ended_ns),
        asked["late_ms"],
        told["cpu_s"] + asked["cpu_s"],
        cost,
        doubts,
    )


def _command(address: tuple[str, int], command: str, user: str, fields: dict[str, Any]) -> None:
    """`room:closed/set` and its like. Raises: ServerFailed when it is refused."""
    kind, _, rest = command.partition(":")
    wire = http.client.HTTPConnection(*address, timeout=30.0)
    try:
        wire.request("POST", f"/api/{kind}/{rest}", json.dumps(fields).encode(), {"X-Greenroom-User": user})
        answer = wire.getresponse()
        said = answer.read()
    finally:
        wire.close()
    if answer.status != 200:
        raise ServerFailed(f"{command} was answered with {answer.status} {said[:300]!r}")


def _close(server: Server, params: Calm) -> _Done:
    _command(server.address, f"{CLOSED}/join", OWNER, {})
    crowd = _Crowd(server.address, tuple(f"w{n}" for n in range(params.watchers)), (CLOSED,), params.rest_ms)
    return _do_to(crowd, server, params.rate, f"{CLOSED}/set", OWNER, {"open": False})


def _sign_out(server: Server, params: Calm) -> _Done:
    watched = tuple(f"room:watched-{number}" for number in range(params.watched))
    crowd = _Crowd(server.address, (SIGNED_OUT,) * params.connections, watched, params.rest_ms)
    return _do_to(crowd, server, params.rate, f"session:{SIGNED_OUT}/sign_out", SIGNED_OUT, {})


# Those who sleep.


def _idle(server: Server, seconds: float) -> Cost:
    before = server.cost()
    time.sleep(seconds)
    return server.cost() - before


def _share(cost: Cost) -> float:
    return (cost.server_s + cost.store_s) / cost.at_s


def answer(params: Calm, say: Say) -> Answer:
    stored = Stored(
        entities=params.sleepers,
        prefix="room:sleeper-",
        short_events=SHORT_EVENTS,
        long_events=LONG_EVENTS,
        long_each=LONG_EACH,
        with_timer=True,
    )
    with home() as ours:
        say("making the database", 0.0)
        ours.start()
        make_models(ours.address, stored)
        say("idle, with an empty database", 0.02)
        empty = _idle(ours.server(), params.idle)
        ours.end("stop")
        say("storing the entities", 0.1)
        rows = copy_models(ours.data_dir, stored)
        ours.start()
        started, server = time.monotonic(), ours.server()
        say("closing a room", 0.3)
        closed = _close(server, params)
        say("signing somebody out", 0.35)
        signed_out = _sign_out(server, params)
        while (left := started + params.settle - time.monotonic()) > 0:
            say("until retention sweeps", 0.4 + 0.5 * (1 - left / params.settle))
            time.sleep(min(left, 1.0))
        say("idle", 0.9)
        idle = _idle(server, params.idle)
    generators_s = closed.generators_s + signed_out.generators_s
    others = max(done.cost.results(done.generators_s)["others_cpu_share"] for done in (closed, signed_out))
    return Answer(
        {
            "close_watchers": closed.told,
            "sign_out_connections": signed_out.told,
            "sleepers": rows["entities"],
            "sleepers_core_share": round(idle.server_s / idle.at_s, 4),
            "sleepers_store_core_share": round(idle.store_s / idle.at_s, 4),
            "sleepers_added_core_share": round(_share(idle) - _share(empty), 4),
            **closed.results("close"),
            **signed_out.results("sign_out"),
            "empty_core_share": round(empty.server_s / empty.at_s, 4),
            "empty_store_core_share": round(empty.store_s / empty.at_s, 4),
            "events": rows["events"],
            "timers": rows["timers"],
            "database_mb": rows["database_mb"],
            "generator_cpu_s": round(generators_s, 2),
            "generator_late_ms": round(max(closed.late_ms, signed_out.late_ms), 2),
            "others_cpu_share": others,
        },
        {},
        [*closed.doubts, *signed_out.doubts, *idle.doubts(0.0)],
    )


QUESTION = Question(
    name="calm",
    asks="Does closing a large room, or signing out a user of many devices, stall others? What do sleepers cost?",
    params=Calm,
    figures={
        "close_watchers": Figure("watchers of the room that was closed, all told", at_least=10_000),
        "close_delay_ms": Figure(
            "worst wait of a command to another room meanwhile, less the median before", at_most=20.0
        ),
        "sign_out_connections": Figure("connections of the user who signed out, all ended", at_least=1_000),
        "sign_out_delay_ms": Figure("the same while that went on", at_most=20.0),
        "sleepers": Figure("entities stored, all asleep", at_least=1_000_000),
        "sleepers_core_share": Figure("of a core, used by the server's process when nobody asks", at_most=0.01),
        "sleepers_store_core_share": Figure("the same of Postgres and Valkey"),
        "sleepers_added_core_share": Figure("of both, what is more than with no entities stored"),
        "close_loop_late_ms": Figure("worst wait of a command that only the loop delays, while the room was closed"),
        "sign_out_loop_late_ms": Figure("the same while the user was signed out"),
        "close_before_worst_ms": Figure("worst wait in the seconds before, when nothing else was asked"),
        "sign_out_before_worst_ms": Figure("likewise"),
        "close_took_ms": Figure("from the command until the last was told"),
        "sign_out_took_ms": Figure("likewise"),
        "empty_core_share": Figure("of a core, used by the process with no entities stored"),
        "empty_store_core_share": Figure("likewise of Postgres and Valkey"),
    },
    answer=answer,
)
