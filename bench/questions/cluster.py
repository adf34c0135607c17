"""Two nodes on one Postgres and one Valkey against one: what do they do together, what does a hop between them cost?

One node is asked what `chat` and `fanout` ask. Then others come, shards are handed to them, and the same is asked
again: of the rooms that a client talks to, and of the subscribers of a busy room, half are then at another node. A room
is also watched by as many at each node as the one had, at fewer messages, so that the machine's cores suffice. At
last a client at the first node asks rooms that live at the second, and for comparison rooms of its own node, something
that writes nothing: one at a time, then by the clock.
"""

import os
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.load import frames, publications
from bench.load.clients import Client, Clients, connect_command
from bench.load.frames import ServerClosed
from bench.load.generators import Link, fleet
from bench.load.pace import Pace
from bench.nodes import Nodes, sharing
from bench.question import Answer, Figure, Question, Results, Say, param
from bench.questions import chat, fanout
from bench.reporting.percentiles import curve, ms
from bench.server import ServerFailed
from greenroom.store.ownership.sharding import SHARDS

ASKERS = 16  # connections that ask by the clock, in turn
ROOMS_ASKED = 64  # of those that were talked in, at most
WARM = 200
ID_JOIN, ID_IDLE = 10, 10 + ROOMS_ASKED  # the first ids of commands
DRAIN_S = 15.0
STEPS = 10


@dataclass(frozen=True, kw_only=True)
class Cluster:
    seconds: float = param(5.0, "how long each part is measured")
    nodes: int = param(2, "nodes on one Postgres and one Valkey, against one")
    rooms: int = param(100, "rooms that are talked in, of ten members each")
    rate: float = param(10_000.0, "sends offered each second, over all rooms")
    subscribers: int = param(1_000, "subscribers of the busy room, over all nodes")
    messages: float = param(1_050.0, "messages published each second in the busy room")
    asks: int = param(2_000, "asks made one at a time")
    ask_rate: float = param(1_000.0, "asks made each second by the clock")
    shards: int = param(SHARDS, "shards that entities are spread over")


@dataclass(frozen=True)
class _Plan:
    address: tuple[str, int]
    rooms: list[str]
    asks: int
    rate: float
    seconds: float


class _Askers(Clients):
    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, window=64)
        self.due: dict[int, int] = {}  # id of the command -> when it was due, ns
        self.waits_ns = array("q")
        self.errors: dict[str, int] = {}
        self.downs: list[str] = []

    def ask(self, client: Client, number: int, room: str, due_ns: int) -> None:
        """A question that records nothing: what has its user read?"""
        self.due[number] = due_ns
        command = f'{{"id":{number},"rpc":{{"method":"{room}/read","data":{{"offset":0}}}}}}'
        self.send(client, frames.text(command.encode()))

    def take(self, within_s: float) -> None:
        """Return when all is answered, or will not be."""
        deadline = time.monotonic() + within_s
        while self.due and not self.downs and time.monotonic() < deadline:
            self.turn(0.1)

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        for line in payload.split(b"\n"):
            if not line.startswith(publications.REPLY):
                continue
            reply = publications.reply(line)
            due_ns = self.due.pop(reply.id)
            if reply.error:
                self.errors[reply.error] = self.errors.get(reply.error, 0) + 1
            else:
                self.waits_ns.append(now_ns - due_ns)

    def on_down(self, client: Client, why: ServerClosed) -> None:
        self.downs.append(str(why))


def _generate(link: Link, plan: _Plan) -> None:
    askers = _Askers(plan.address)
    clients = [Client(number, [connect_command("asker")]) for number in range(ASKERS)]
    askers.open_all(clients, within_s=60.0)
    _join(askers, clients[0], plan.rooms)
    link.say("connected")
    idle = _one_by_one(askers, clients[0], plan)
    link.measure()
    paced, late_ms = _by_the_clock(askers, clients, plan)
    link.say(
        "done",
        {
            "idle": idle,
            "paced": paced,
            "late_ms": late_ms,
            "errors": askers.errors,
            "downs": askers.downs,
            "unanswered": len(askers.due),
            **link.cost(),
        },
    )


def _join(askers: _Askers, client: Client, rooms: Sequence[str]) -> None:
    """Members alone have read something."""
    for number, room in enumerate(rooms, ID_JOIN):
        askers.due[number] = time.perf_counter_ns()
        command = f'{{"id":{number},"rpc":{{"method":"{room}/join","data":{{}}}}}}'
        askers.send(client, frames.text(command.encode()))
    askers.take(DRAIN_S)


def _one_by_one(askers: _Askers, client: Client, plan: _Plan) -> bytes:
    deadline = time.monotonic() + DRAIN_S + plan.asks / 100
    for number in range(WARM + plan.asks):
        if number == WARM:
            askers.waits_ns = array("q")
        askers.ask(client, number + ID_IDLE, plan.rooms[number % len(plan.rooms)], time.perf_counter_ns())
        askers.take(deadline - time.monotonic())
    return askers.waits_ns.tobytes()


def _by_the_clock(askers: _Askers, clients: Sequence[Client], plan: _Plan) -> tuple[bytes, float]:
    askers.waits_ns = array("q")
    first = ID_IDLE + WARM + plan.asks
    pace = Pace(time.perf_counter_ns(), plan.rate, int(plan.rate * plan.seconds))
    late_ns = 0
    while not pace.done:
        now_ns = time.perf_counter_ns()
        for number in pace.due(now_ns):
            due_ns = pace.at_ns(number)
            late_ns = max(late_ns, now_ns - due_ns)
            askers.ask(clients[number % len(clients)], first + number, plan.rooms[number % len(plan.rooms)], due_ns)
        askers.turn(0.001)
    askers.take(DRAIN_S)
    return askers.waits_ns.tobytes(), late_ns / 1e6


@dataclass(frozen=True, slots=True)
class _Done:
    """What so many nodes have done together."""

    chat: Answer
    fanout: Answer
    wide: Answer  # of a room with so many watchers at each node


def _together(params: Cluster, nodes: Nodes, say: Callable[[str], None]) -> _Done:
    count = len(nodes.addresses)
    with_s = f"with {count} node{'s' if count > 1 else ''}"
    say(f"chatting {with_s}")
    # As many processes whether or not there is a node for each: what generates is the same.
    chatting = chat.Chat(seconds=params.seconds, rooms=params.rooms, rate=params.rate, processes=params.nodes)
    chatted = chat.measure(chatting, _silent, nodes.server(), nodes.addresses)
    say(f"fanning out {with_s}")
    fanning = fanout.Fanout(
        seconds=params.seconds, subscribers=params.subscribers, rate=params.messages, processes=params.nodes
    )
    fanned = fanout.measure(fanning, _silent, nodes.server(), nodes.addresses)
    say(f"fanning out to as many at each {with_s}")
    wide = replace(fanning, subscribers=params.subscribers * count, rate=params.messages / params.nodes)
    return _Done(chatted, fanned, fanout.measure(wide, _silent, nodes.server(), nodes.addresses))


def _silent(text: str, share: float) -> None:
    """A part's own progress would run backwards in the whole."""


def _asked(params: Cluster, nodes: Nodes, rooms: list[str]) -> dict[str, Any]:
    """A client at the first node asks these rooms. Raises: GeneratorFailed."""
    plan = _Plan(nodes.addresses[0], rooms, params.asks, params.ask_rate, params.seconds)
    with fleet(_generate, [plan]) as generator:
        generator.wait("connected", within_s=90.0)
        (found,) = generator.wait("done", within_s=3 * DRAIN_S + params.asks / 100 + params.seconds + 30.0)
        return dict(found)


def answer(params: Cluster, say: Say) -> Answer:
    if params.nodes < 2:
        raise ServerFailed("nothing goes between nodes when there is one: --nodes must be 2 or more")
    numbers = iter(range(STEPS))

    def step(text: str) -> None:
        say(text, next(numbers) / STEPS)

    step("starting a node")
    with sharing(1, shards=params.shards) as nodes:
        nodes.settle()
        alone = _together(params, nodes, step)
        step("others come")
        for _ in range(params.nodes - 1):
            nodes.add()
        nodes.settle()
        together = _together(params, nodes, step)
        names = [f"room:chat-{number}" for number in range(params.rooms)]
        homes = nodes.homes(names)
        here, there = ([name for name, home in zip(names, homes, strict=True) if home == at] for at in (0, 1))
        if not here or not there:
            raise ServerFailed(f"of {params.rooms} rooms none lives at one of the nodes: --rooms must be higher")
        step("asking the other node")
        across = _asked(params, nodes, there[:ROOMS_ASKED])
        step("asking the same node")
        at_home = _asked(params, nodes, here[:ROOMS_ASKED])
    return _added(params, alone, together, across, at_home)


def _added(params: Cluster, alone: _Done, together: _Done, across: dict[str, Any], at_home: dict[str, Any]) -> Answer:
    waits = {
        "ask, idle": _sorted(across["idle"]),
        "ask, paced": _sorted(across["paced"]),
        "ask here, idle": _sorted(at_home["idle"]),
        "ask here, paced": _sorted(at_home["paced"]),
    }
    if not all(waits.values()):
        raise ServerFailed(f"no ask was answered: {across['errors'] or at_home['errors'] or across['downs']}")
    one, many = alone.chat.results, together.chat.results
    fan_one, fan_many = alone.fanout.results, together.fanout.results
    wide_one, wide_many = alone.wide.results, together.wide.results
    sends_per_cpu_ratio = _through(_sends_per_cpu_s(many), _sends_per_cpu_s(one))
    parts = (one, many, fan_one, fan_many, wide_one, wide_many)
    busy = max(each["cpu_s"] / each["wall_s"] for each in (across, at_home))
    results: Results = {
        "nodes": params.nodes,
        "sends_per_s": many["sends_per_s"],
        "ask_p50_ms": ms(waits["ask, idle"], 0.5),
        "ask_p99_ms": ms(waits["ask, idle"], 0.99),
        "deliveries_per_s": fan_many["deliveries_per_s"],
        "ask_here_p50_ms": ms(waits["ask here, idle"], 0.5),
        "ask_here_p99_ms": ms(waits["ask here, idle"], 0.99),
        "ask_paced_p50_ms": ms(waits["ask, paced"], 0.5),
        "ask_paced_p99_ms": ms(waits["ask, paced"], 0.99),
        "ask_here_paced_p50_ms": ms(waits["ask here, paced"], 0.5),
        "ask_here_paced_p99_ms": ms(waits["ask here, paced"], 0.99),
        "asks_unanswered": across["unanswered"] + at_home["unanswered"],
        "sends_per_s_one": one["sends_per_s"],
        "sends_ratio": _through(many["sends_per_s"], one["sends_per_s"]),
        "sends_per_cpu_s": _sends_per_cpu_s(many),
        "sends_per_cpu_s_one": _sends_per_cpu_s(one),
        "sends_per_cpu_ratio": sends_per_cpu_ratio,
        "sends_by_cpu_ratio": round(params.nodes * sends_per_cpu_ratio, 3),
        "deliver_p99_ms": many["deliver_p99_ms"],
        "deliver_p99_ms_one": one["deliver_p99_ms"],
        "deliveries_per_s_one": fan_one["deliveries_per_s"],
        "deliveries_per_cpu_s": _deliveries_per_cpu_s(fan_many),
        "deliveries_per_cpu_s_one": _deliveries_per_cpu_s(fan_one),
        "deliveries_per_cpu_ratio": _through(_deliveries_per_cpu_s(fan_many), _deliveries_per_cpu_s(fan_one)),
        "fanout_p99_ms": fan_many["p99_ms"],
        "fanout_p99_ms_one": fan_one["p99_ms"],
        "wide_deliveries_per_cpu_s": _deliveries_per_cpu_s(wide_many),
        "wide_deliveries_per_cpu_s_one": _deliveries_per_cpu_s(wide_one),
        "wide_deliveries_per_cpu_ratio": _through(_deliveries_per_cpu_s(wide_many), _deliveries_per_cpu_s(wide_one)),
        "wide_p99_ms": wide_many["p99_ms"],
        "wide_p99_ms_one": wide_one["p99_ms"],
        "lost": sum(part["lost"] for part in parts),
        "duplicated": sum(part["duplicated"] for part in parts),
        "reordered": one["reordered"] + many["reordered"],
        "server_cpu_s": many["server_cpu_s"],
        "server_cpu_s_one": one["server_cpu_s"],
        "store_cpu_s": many["store_cpu_s"],
        "store_cpu_s_one": one["store_cpu_s"],
        "others_cpu_share": max(part["others_cpu_share"] for part in parts),
        "generator_busy": round(busy, 3),
        "generator_late_ms": round(max(across["late_ms"], at_home["late_ms"]), 2),
    }
    warnings = [
        f"{name}: {warning}"
        for name, part in (
            ("chat, one node", alone.chat),
            ("fan-out, one node", alone.fanout),
            ("wide fan-out, one node", alone.wide),
            (f"chat, {params.nodes} nodes", together.chat),
            (f"fan-out, {params.nodes} nodes", together.fanout),
            (f"wide fan-out, {params.nodes} nodes", together.wide),
        )
        for warning in part.warnings
    ]
    for found in (across, at_home):
        warnings += [f"{count} asks were refused: {text}" for text, count in found["errors"].items()]
        warnings += [f"an asking client was disconnected: {why}" for why in found["downs"][:1]]
    cores = len(os.sched_getaffinity(0))
    if cores < 2 * params.nodes + 1:
        warnings.append(
            f"{params.nodes} nodes, their store and {params.nodes} generators share {cores} cores: sends_ratio says "
            "what is left of these, the figures for each CPU second what a node costs"
        )
    return Answer(results, {name: curve(each) for name, each in waits.items()}, warnings)


def _sorted(waits: bytes) -> list[int]:
    return sorted(array("q", waits))


def _through(many: float, one: float) -> float:
    return round(many / one, 3) if one else 0.0


def _sends_per_cpu_s(results: Results) -> float:
    """Acknowledged sends for each CPU second of the nodes, neither store nor generators counted."""
    acked = results["sent"] - results["refused"] - results["unanswered"]
    return _through(acked, results["server_cpu_s"])


def _deliveries_per_cpu_s(results: Results) -> float:
    return _through(results["deliveries"], results["server_cpu_s"])


QUESTION = Question(
    name="cluster",
    asks="Two nodes on one Postgres and one Valkey against one: what do they do together, what does a hop cost?",
    params=Cluster,
    figures={
        "nodes": Figure("nodes that share the store"),
        "sends_per_s": Figure("acknowledged sends each second by all nodes together, as in chat"),
        "ask_p50_ms": Figure("a client of one node asks rooms of another, one at a time", at_most=1.5),
        "ask_p99_ms": Figure("the same, 99th percentile", at_most=10.0),
        "deliveries_per_s": Figure("publications received each second by the subscribers of one room, at all nodes"),
        "ask_here_p50_ms": Figure("the same asks where client and rooms are at one node; the hop is the difference"),
        "ask_here_p99_ms": Figure("the same, 99th percentile"),
        "ask_paced_p50_ms": Figure("asks between nodes by the clock, from the moment that one is due", at_most=5.0),
        "ask_paced_p99_ms": Figure("the same, 99th percentile", at_most=40.0),
        "ask_here_paced_p50_ms": Figure("the same where client and rooms are at one node"),
        "ask_here_paced_p99_ms": Figure("the same, 99th percentile"),
        "asks_unanswered": Figure("asks without an answer", at_most=0),
        "sends_per_s_one": Figure("sends_per_s of one node, with the same generators"),
        "sends_ratio": Figure("sends_per_s of all nodes through that of one, on the cores that there are"),
        "sends_per_cpu_s": Figure("acknowledged sends for each CPU second of the nodes; no store, no generators"),
        "sends_per_cpu_s_one": Figure("the same of one node"),
        "sends_per_cpu_ratio": Figure("the first through the second: 1 is a hop that costs nothing"),
        "sends_by_cpu_ratio": Figure("that for each node: what nodes on cores of their own do, of one's", at_least=1.6),
        "deliver_p99_ms": Figure("from the moment a send is due to its receipt, as in chat, 99th percentile"),
        "deliver_p99_ms_one": Figure("the same with one node"),
        "deliveries_per_s_one": Figure("deliveries_per_s with one node"),
        "deliveries_per_cpu_s": Figure("deliveries for each CPU second of the nodes"),
        "deliveries_per_cpu_s_one": Figure("the same of one node"),
        "deliveries_per_cpu_ratio": Figure("the first through the second: each node hands out at its own moments"),
        "wide_deliveries_per_cpu_s": Figure("the same of a room that has as many watchers at each node"),
        "wide_deliveries_per_cpu_s_one": Figure("of one node, which has as many"),
        "wide_deliveries_per_cpu_ratio": Figure("the first through the second", at_least=0.9),
        "wide_p99_ms": Figure("from the moment that one of its messages is due to its receipt, 99th percentile"),
        "wide_p99_ms_one": Figure("the same with one node"),
        "lost": Figure("of all parts: acknowledged messages that never reached a receiver", at_most=0),
        "duplicated": Figure("of all parts: messages that a receiver got twice", at_most=0),
        "reordered": Figure("of the chats: offsets, or a sender's numbers, that came after a later one", at_most=0),
    },
    answer=answer,
)
