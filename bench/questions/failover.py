"""A node is killed, drained or frozen while all rooms are talked to: how long is a room away, and is anything lost?

Each room is asked by a client of its own, every so many milliseconds, under keys; what is refused for the moment is
sent again. A room's time away is the longest wait of any of its messages, from the moment that it was due, or from the
fault when that came later. All clients are connected to the first node, which is neither killed nor frozen, so what is
measured is the entities; in a rolling restart all nodes are drained in turn, and clients move with it.

Afterwards the rooms' histories are read through a node that is up: each acknowledged message must be there once.
"""

import http.client
import json
import re
import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.load.callers import Callers
from bench.load.generators import Fleet, Link, fleet
from bench.nodes import Nodes, sharing
from bench.question import Answer, Figure, Question, Results, Say, param
from bench.reporting.percentiles import curve, ms
from bench.server import Cost, ServerFailed
from greenroom.store.ownership.sharding import SHARDS

CALM_S = 3.0  # before the first fault
KILL_S = 3.0  # how long rooms are looked at from a SIGKILL on
LEASE_S = 5.0  # GREENROOM_LEASE_S as it comes
FREEZE_S = LEASE_S + 3.0
DRAIN_S = 20.0
PAGE = 300
SAID = re.compile(r"~(\d+)~")


@dataclass(frozen=True, kw_only=True)
class Failover:
    nodes: int = param(3, "nodes on one Postgres and one Valkey")
    rooms: int = param(60, "rooms, each with a client that sends and listens")
    period_ms: float = param(50.0, "between two messages to a room")
    kills: int = param(2, "nodes killed with SIGKILL, one after the other; the host sees their end")
    rolls: int = param(1, "rolling restarts: every node in turn is drained by SIGTERM and started again")
    freezes: int = param(1, "nodes stopped with SIGSTOP, of which only the lease tells; thawed afterwards")
    shards: int = param(SHARDS, "shards that entities are spread over")


@dataclass(frozen=True)
class _Plan:
    addresses: list[tuple[str, int]]
    rooms: list[str]
    period_ns: int


@dataclass(slots=True)
class Fault:
    """What was done, to which rooms, and from when to when these are looked at, in ns of `perf_counter_ns`."""

    cause: str
    rooms: list[int]
    begun_ns: int
    ended_ns: int


@dataclass(slots=True)
class Faults:
    """What is done to the nodes, one after the other."""

    nodes: Nodes
    rooms: list[str]
    say: Callable[[str], None]
    done: list[Fault] = field(default_factory=list)
    drains_s: list[float] = field(default_factory=list)  # from SIGTERM to the end of the process

    def _homes(self) -> list[int | None]:
        return self.nodes.homes(self.rooms)

    def _note(self, cause: str, rooms: list[int], begun_ns: int) -> None:
        self.done.append(Fault(cause, rooms, begun_ns, time.perf_counter_ns()))

    def calm(self) -> None:
        begun_ns = time.perf_counter_ns()
        time.sleep(CALM_S)
        self._note("calm", list(range(len(self.rooms))), begun_ns)

    def kill(self, number: int) -> None:
        self.say(f"node {number} is killed")
        theirs = _at(self._homes(), number)
        begun_ns = time.perf_counter_ns()
        self.nodes.kill(number)
        time.sleep(KILL_S)
        self._note("kill", theirs, begun_ns)
        self._come(number)

    def freeze(self, number: int) -> None:
        self.say(f"node {number} is frozen")
        theirs = _at(self._homes(), number)
        begun_ns = time.perf_counter_ns()
        self.nodes.freeze(number)
        time.sleep(FREEZE_S)
        self.nodes.thaw(number)
        self._note("freeze", theirs, begun_ns)
        self._come(number)

    def roll(self) -> None:
        rolled_ns = time.perf_counter_ns()
        for number in range(len(self.nodes.addresses)):
            self.say(f"node {number} is drained")
            theirs = _at(self._homes(), number)
            begun_ns = time.perf_counter_ns()
            self.nodes.stop(number)
            self.drains_s.append((time.perf_counter_ns() - begun_ns) / 1e9)
            self.say(f"node {number} comes back")
            self.nodes.start(number)
            self._note("drain", theirs, begun_ns)
        self._note("roll", list(range(len(self.rooms))), rolled_ns)
        self.say("shards settle")
        self.nodes.settle()

    def _come(self, number: int) -> None:
        """It starts, and is handed its part: rooms that come to it are away for a moment, too."""
        self.say(f"node {number} comes back")
        begun_ns = time.perf_counter_ns()
        self.nodes.start(number)
        self.nodes.settle()
        self._note("join", _at(self._homes(), number), begun_ns)


def _at(homes: Sequence[int | None], number: int) -> list[int]:
    return [room for room, home in enumerate(homes) if home == number]


def away_ns(waits: Sequence[int], fault: Fault) -> int:
    """A room's longest wait in the time of that fault. `waits`: in pairs, when a message was due and when it was
    acknowledged, in ns. What was due before the fault and answered in it has waited for it since the fault."""
    longest = 0
    for due, acked in pairs(waits):
        if acked > fault.begun_ns and due <= fault.ended_ns:
            longest = max(longest, acked - max(due, fault.begun_ns))
    return longest


def pairs(flat: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Two and two."""
    return zip(flat[::2], flat[1::2], strict=True)


def wrong(acked: Mapping[int, int], history: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Of one room: how many messages are lost, and how many are there too often.

    `acked`: by number of the message its offset, as acknowledged; `history`: offset and number of each that is stored.
    """
    at = dict(history)
    lost = sum(at.get(offset) != number for number, offset in acked.items())
    return lost, len(history) - len({number for _, number in history})


def _generate(link: Link, plan: _Plan) -> None:
    callers = Callers(plan.addresses, plan.rooms, plan.period_ns)
    callers.open_all(callers.clients, within_s=60.0)
    callers.start(time.perf_counter_ns())  # rooms wake up, members are joined
    link.say("connected")
    link.measure()
    ended, late_ns, begun_ns = False, 0, time.perf_counter_ns()
    while not ended:
        now_ns = time.perf_counter_ns()
        late_ns = max(late_ns, now_ns - begun_ns)
        begun_ns = now_ns
        callers.ask_due(now_ns)
        callers.turn(0.001)
        time.sleep(0.001)
        ended, _ = link.heard("stop")
    callers.stop()
    deadline = time.monotonic() + DRAIN_S
    while callers.waiting and time.monotonic() < deadline:
        callers.ask_due(time.perf_counter_ns())
        callers.turn(0.01)
    found = [client.state for client in callers.clients]
    link.say(
        "done",
        {
            "waits": [one.waits.tobytes() for one in found],
            "acked": [one.acked for one in found],
            "unanswered": [one.due_ns for one in found],
            "missed": sum(one.tally.lost(one.top) for one in found),
            "repeated": sum(one.tally.duplicated for one in found),
            "reordered": sum(one.tally.reordered for one in found),
            "refusals": callers.refusals,
            "errors": callers.errors,
            "downs": callers.downs,
            "unrecovered": callers.unrecovered,
            "late_ms": late_ns / 1e6,
            **link.cost(),
        },
    )


def answer(params: Failover, say: Say) -> Answer:
    if params.nodes < 2:
        raise ServerFailed("with one node there is nobody to take over: --nodes must be 2 or more")
    steps = 3 + 2 * (params.kills + params.freezes) + params.rolls * (2 * params.nodes + 1)
    numbers = iter(range(steps))

    def step(text: str) -> None:
        say(text, next(numbers) / steps)

    step("starting nodes")
    rooms = [f"room:failover-{number}" for number in range(params.rooms)]
    with sharing(params.nodes, shards=params.shards) as nodes:
        step("shards settle")
        nodes.settle()
        plan = _Plan(nodes.addresses, rooms, int(params.period_ms * 1e6))
        with fleet(_generate, [plan]) as generator:
            generator.wait("connected", within_s=90.0)
            time.sleep(CALM_S)  # a warm-up
            faults = Faults(nodes, rooms, step)
            before = nodes.server().cost()
            faults.calm()
            cost = nodes.server().cost() - before
            for number in range(params.kills):
                faults.kill(1 + number % (params.nodes - 1))
            for number in range(params.freezes):
                faults.freeze(1 + number % (params.nodes - 1))
            for _ in range(params.rolls):
                faults.roll()
            (found,) = _stopped(generator)
        step("reading what is stored")
        histories = _histories(nodes.addresses[0], rooms)
    return _added(params, faults, found, histories, cost)


def _stopped(generator: Fleet) -> list[dict[str, Any]]:
    generator.tell("stop")
    return generator.wait("done", within_s=DRAIN_S + 30.0)


def _histories(address: tuple[str, int], rooms: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Of each room offset and number of every message. Raises: ServerFailed."""
    wire = http.client.HTTPConnection(*address, timeout=30.0)
    try:
        return [_history(wire, room) for room in rooms]
    finally:
        wire.close()


def _history(wire: http.client.HTTPConnection, room: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    since = 0
    while True:
        path = f"/api/{room.replace(':', '/', 1)}/history?since={since}&limit={PAGE}"
        wire.request("GET", path, headers={"X-Greenroom-User": "bench"})
        answer = wire.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise ServerFailed(f"the history of {room} was answered with {answer.status} {said[:300]!r}")
        page = json.loads(said)["publications"]
        for one in page:
            number = SAID.search(one["data"].get("text", ""))
            if number is not None:
                found.append((one["offset"], int(number[1])))
            since = one["offset"]
        if len(page) < PAGE:
            return found


def _added(
    params: Failover, faults: Faults, found: dict[str, Any], histories: list[list[tuple[int, int]]], cost: Cost
) -> Answer:
    """`cost`: in the calm before the first fault, since a node's is gone with it."""
    waits = [array("q", each) for each in found["waits"]]
    end_ns = time.perf_counter_ns()
    for room, due_ns in enumerate(found["unanswered"]):
        if due_ns:
            waits[room].extend((due_ns, end_ns))  # it waits still
    away: dict[str, list[int]] = {}
    for fault in faults.done:
        away.setdefault(fault.cause, []).extend(away_ns(waits[room], fault) for room in fault.rooms)
    each = [wrong(acked, history) for acked, history in zip(found["acked"], histories, strict=True)]
    busy = found["cpu_s"] / found["wall_s"]
    calm_s = busy * cost.at_s  # of the generator
    unanswered = sum(bool(due_ns) for due_ns in found["unanswered"])
    results: Results = {}
    curves = {}

    def tell(*causes: str) -> None:
        for cause in causes:
            ascending = sorted(away.get(cause, ()))
            if ascending:
                results[f"unavailable_ms_{cause}_p50"] = ms(ascending, 0.5)
                results[f"unavailable_ms_{cause}_p99"] = ms(ascending, 0.99)
                curves[cause] = curve(ascending)

    tell("kill", "drain", "freeze")
    results |= {"lost": sum(lost for lost, _ in each), "duplicated": sum(doubled for _, doubled in each)}
    tell("join", "roll", "calm")
    results |= {
        "errors": sum(found["errors"].values()),
        "missed": found["missed"],
        "repeated": found["repeated"],
        "nodes": params.nodes,
        "acknowledged": sum(len(acked) for acked in found["acked"]),
        "unanswered": unanswered,
        "sent_again": sum(found["refusals"].values()),
        "reconnects": found["downs"],
        "unrecovered": found["unrecovered"],
        **{f"rooms_{cause}": len(rooms) for cause, rooms in away.items() if cause not in ("roll", "calm")},
        "drain_max_s": round(max(faults.drains_s, default=0.0), 2),
        **cost.results(calm_s),
        "generator_busy": round(busy, 3),
        "generator_late_ms": round(found["late_ms"], 2),
    }
    warnings = cost.doubts(calm_s)
    warnings += [f"{count} messages were refused for good: {text}" for text, count in found["errors"].items()]
    warnings += [f"{count} messages were refused and sent again: {text}" for text, count in found["refusals"].items()]
    if unanswered:
        warnings.append(f"{unanswered} rooms did not answer within {DRAIN_S:.0f} s of the end")
    return Answer(results, curves, warnings)


QUESTION = Question(
    name="failover",
    asks="A node is killed, drained or frozen while rooms are talked to: how long is a room away, is anything lost?",
    params=Failover,
    figures={
        "unavailable_ms_kill_p50": Figure("longest wait at a room of a node killed with SIGKILL, whose end is seen"),
        "unavailable_ms_kill_p99": Figure("the same, 99th percentile over rooms", at_most=500.0),
        "unavailable_ms_drain_p50": Figure("longest wait at a room of a node drained by SIGTERM, in a rolling restart"),
        "unavailable_ms_drain_p99": Figure("the same, 99th percentile over rooms", at_most=250.0),
        "unavailable_ms_freeze_p50": Figure("longest wait at a room of a node frozen with SIGSTOP: its lease runs out"),
        "unavailable_ms_freeze_p99": Figure("the same, 99th percentile over rooms", at_most=6_000.0),
        "lost": Figure("acknowledged messages that are not in their room under their offset", at_most=0),
        "duplicated": Figure("messages that are in their room more than once", at_most=0),
        "unavailable_ms_join_p50": Figure("longest wait at a room while it is handed to a node that has come"),
        "unavailable_ms_join_p99": Figure("the same, 99th percentile over rooms", at_most=250.0),
        "unavailable_ms_roll_p50": Figure("longest wait at any room in a rolling restart, its client's moves included"),
        "unavailable_ms_roll_p99": Figure("the same, 99th percentile over rooms"),
        "unavailable_ms_calm_p50": Figure("longest wait at any room in three seconds without a fault"),
        "unavailable_ms_calm_p99": Figure("the same, 99th percentile over rooms"),
        "errors": Figure("refusals that are not said to be for the moment", at_most=0),
        "missed": Figure("acknowledged messages that a listener never got", at_most=0),
        "repeated": Figure("messages that a listener got twice", at_most=0),
    },
    answer=answer,
)
