"""Many rooms, everybody talks: how long does a durable message take to reach all members, and does each arrive once?

Open loop: sends are due by the clock, whatever the server does. Every delivery is timed and every offset is checked at
every receiver, against all that was acknowledged.
"""

import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.load import frames, publications
from bench.load.clients import Client, Clients, connect_command, subscribe_command
from bench.load.frames import ServerClosed
from bench.load.generators import Link, fleet
from bench.load.pace import Pace
from bench.load.sending import Send
from bench.load.tally import Tally
from bench.question import Answer, Figure, Load, Question, Say, param
from bench.reporting.percentiles import curve, ms
from bench.server import Cost, Serve, Server, serving

DRAIN_S = 15.0


@dataclass(frozen=True, kw_only=True)
class Chat:
    seconds: float = param(5.0, "how long sends are offered")
    rooms: int = param(100, "rooms")
    members: int = param(10, "members of each room, each a connection that sends and receives")
    rate: float = param(10_000.0, "sends offered each second, over all rooms")
    text_bytes: int = param(64, "length of a message's text")
    ids: bool = param(False, "give every send an idempotency key")
    processes: int = param(2, "generator processes")
    rest_ms: float = param(1.0, "pause of a generator between two looks at its sockets; counts as latency")
    url: str = param("", "measure this server instead of starting one")
    views: str = param("", "built-in views that the server keeps up, as conversations,messages,rooms")


@dataclass(frozen=True)
class _Plan:
    address: tuple[str, int]
    send: Send
    params: Chat
    first: int  # rooms first, first + processes, ...


class _Member:
    __slots__ = ("acked", "number", "room", "seen", "sent", "tally")

    def __init__(self, room: "_Room", number: int) -> None:
        self.room = room
        self.number = number
        self.sent = 0
        self.acked = 0
        self.tally = Tally()
        self.seen = [-1] * room.members  # the last sequence number of each sender


class _Room:
    __slots__ = ("acked", "channel", "members", "top")

    def __init__(self, channel: str, members: int) -> None:
        self.channel = channel
        self.members = members
        self.top = 0  # the highest offset that anybody was told of
        self.acked = 0  # the offset that is reached with what was acknowledged without naming one


class _Chatters(Clients):
    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, window=256)
        self.waits_ns = array("q")
        self.acked = self.deliveries = self.disordered = self.odd = 0
        self.last_ack_ns = 0
        self.errors: dict[str, int] = {}
        self.downs: list[str] = []

    def on_live(self, client: Client) -> None:
        position = client.replies[2]["subscribe"].get("offset", 0)
        client.state.tally = Tally(position)
        room = client.state.room
        room.top = room.acked = max(room.top, position)
        for line in client.early:
            self.on_payload(client, line, time.perf_counter_ns())

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        member: _Member = client.state
        for line in payload.split(b"\n"):
            if not line.startswith(publications.PUSH):
                self._reply(member, line, now_ns)
                continue
            found = publications.publication(line)
            if found is None or not found.offset:
                continue
            offset, mark = found
            member.tally.take(offset)
            if offset > member.room.top:
                member.room.top = offset
            if mark:
                sender, number, due = mark.split(b".")
                who, order = int(sender), int(number)
                if order <= member.seen[who]:
                    self.disordered += 1
                else:
                    member.seen[who] = order
                due_ns = int(due)
                if due_ns:
                    self.deliveries += 1
                    self.waits_ns.append(now_ns - due_ns)

    def _reply(self, member: _Member, line: bytes, now_ns: int) -> None:
        if not line.startswith(publications.REPLY):
            self.odd += 1
        reply = publications.reply(line)
        member.acked += 1
        if reply.error:
            self.errors[reply.error] = self.errors.get(reply.error, 0) + 1
            return
        self.acked += 1
        self.last_ack_ns = now_ns
        room = member.room
        offset = reply.offset
        if not offset:  # a peer's reply names none; there nothing but messages takes an offset, so they can be counted
            offset = room.acked = room.acked + 1
        if offset > room.top:
            room.top = offset

    def on_down(self, client: Client, why: ServerClosed) -> None:
        self.downs.append(str(why))


def _generate(link: Link, plan: _Plan) -> None:
    params = plan.params
    clients: list[Client] = []
    for room_number in range(plan.first, params.rooms, params.processes):
        room = _Room(f"room:chat-{room_number}", params.members)
        for number in range(params.members):
            hello = [connect_command(f"u{room_number}-{number}"), subscribe_command(room.channel)]
            clients.append(Client(room_number * params.members + number, hello, _Member(room, number)))
    # Members of one room follow each other in `clients`; interleaved, consecutive sends go to different rooms.
    clients.sort(key=lambda client: client.state.number)
    chatters = _Chatters(plan.address)
    chatters.open_all(clients, within_s=60.0)
    link.say("connected", len(clients))

    # Everybody says hello once, untimed: rooms wake up, members are joined, code is warm.
    link.wait("warm")
    for client in clients:
        _send(chatters, client, plan, 0)
        chatters.turn(0)
    _drain(chatters, clients)
    warm = chatters.acked
    chatters.acked = 0
    link.say("warm")

    start_ns = link.wait("go")
    link.measure()
    pace = Pace(start_ns, params.rate / params.processes, int(params.rate / params.processes * params.seconds))
    late_ns = 0
    rest_s = params.rest_ms / 1e3
    while not pace.done:
        now_ns = time.perf_counter_ns()
        due = pace.due(now_ns)
        if due:
            late_ns = max(late_ns, now_ns - pace.at_ns(due.start))
        for number in due:
            _send(chatters, clients[number % len(clients)], plan, pace.at_ns(number))
        chatters.turn(0)
        if rest_s:
            time.sleep(rest_s)
    stalled = not _drain(chatters, clients)
    cost = link.cost()
    waits = array("q", sorted(chatters.waits_ns))
    lost = sum(client.state.tally.lost(client.state.room.top) for client in clients)
    link.say(
        "done",
        {
            "waits": waits.tobytes(),
            "sent": pace.total,
            "acked": chatters.acked,
            "acking_ns": chatters.last_ack_ns - start_ns,
            "deliveries": chatters.deliveries,
            "lost": lost,
            "duplicated": sum(client.state.tally.duplicated for client in clients),
            "reordered": sum(client.state.tally.reordered for client in clients) + chatters.disordered,
            "unanswered": sum(client.state.sent - client.state.acked for client in clients),
            "warm": warm,
            "errors": chatters.errors,
            "downs": chatters.downs,
            "odd": chatters.odd,
            "late_ms": late_ns / 1e6,
            "stalled": stalled,
            **cost,
        },
    )


def _send(chatters: Clients, client: Client, plan: _Plan, due_ns: int) -> None:
    """A message that says who sent it, as which of theirs, and when it was due."""
    member: _Member = client.state
    number = member.sent
    member.sent = number + 1
    said = f"~{member.number}.{number}.{due_ns}~".ljust(plan.params.text_bytes, ".")
    key = f',"idempotency_key":"{client.index}-{number}"' if plan.params.ids else ""
    command = plan.send(number + 3, member.room.channel, f'{{"text":"{said}"{key}}}')
    chatters.send(client, frames.text(command.encode()))


def _drain(chatters: Clients, clients: list[Client]) -> bool:
    """Read until every send is answered and every receiver has what anybody was told of; False when that never came."""
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        chatters.turn(0.05)
        for client in clients:
            member = client.state
            if client.sock is not None and (member.acked < member.sent or member.tally.next <= member.room.top):
                break
        else:
            return True
    return False


def _settings(params: Chat) -> dict[str, str]:
    return {"GREENROOM_BUILT_IN_VIEWS": params.views} if params.views else {}


def answer(params: Chat, say: Say, serve: Serve | None = None) -> Answer:
    """Start the server and have it chatted with; `serve`: a peer's."""
    say("starting the server", 0.0)
    with serve() if serve else serving(params.url, _settings(params)) as server:
        return measure(params, say, server)


def measure(params: Chat, say: Say, server: Server, addresses: Sequence[tuple[str, int]] = ()) -> Answer:
    """Start the generators, each with its part of the rooms, and add up what they found.

    `addresses`: of the nodes that they connect to in turn, where the server has several.
    """
    where = addresses or [server.address]
    plans = [_Plan(where[first % len(where)], server.send, params, first) for first in range(params.processes)]
    with fleet(_generate, plans) as generators:
        say("connecting", 0.1)
        generators.wait("connected", within_s=90.0)
        say("warming up", 0.2)
        generators.tell("warm")
        generators.wait("warm", within_s=DRAIN_S + 30.0)
        before = server.cost()
        begun = time.perf_counter()
        generators.tell("go", time.perf_counter_ns() + 50_000_000)
        found = generators.wait(
            "done",
            within_s=params.seconds + DRAIN_S + 30.0,
            waiting=lambda passed: say("chatting", 0.2 + 0.8 * min(1.0, passed / params.seconds)),
        )
        wall_s = time.perf_counter() - begun
        after = server.cost()
    return _added(found, after - before, wall_s)


def _added(found: list[dict[str, Any]], cost: Cost, wall_s: float) -> Answer:
    waits = array("q")
    for each in found:
        waits.frombytes(each["waits"])
    ascending = sorted(waits)

    def total(name: str) -> int:
        return sum(int(each[name]) for each in found)

    busy = max(each["cpu_s"] / each["wall_s"] for each in found)
    generators_s = sum(each["cpu_s"] for each in found)
    acking_s = max(each["acking_ns"] for each in found) / 1e9
    errors: dict[str, int] = {}
    for each in found:
        for text, count in each["errors"].items():
            errors[text] = errors.get(text, 0) + count
    warnings = [f"{count} sends were refused: {text}" for text, count in errors.items()] + cost.doubts(generators_s)
    if busy > 0.9:
        warnings.append(f"a generator was busy {busy:.0%} of the time: the figures are its own, not the server's")
    if total("unanswered"):
        warnings.append(f"{total('unanswered')} sends were never answered")
    downs = [why for each in found for why in each["downs"]]
    if downs:
        warnings.append(f"{len(downs)} clients were disconnected, the first with: {downs[0]}")
    if any(each["stalled"] for each in found):
        warnings.append(f"not everything had arrived {DRAIN_S:.0f} s after the last send")
    if total("odd"):
        warnings.append(f"{total('odd')} lines had an unusual shape and were decoded the slow way")
    return Answer(
        {
            "sends_per_s": round(total("acked") / acking_s, 1) if acking_s > 0 else 0.0,
            "deliver_p50_ms": ms(ascending, 0.5),
            "deliver_p99_ms": ms(ascending, 0.99),
            "lost": total("lost"),
            "duplicated": total("duplicated"),
            "reordered": total("reordered"),
            "sent": total("sent"),
            "refused": sum(errors.values()),
            "unanswered": total("unanswered"),
            "deliveries": total("deliveries"),
            "deliver_max_ms": ms(ascending, 1.0),
            **cost.results(generators_s),
            "generator_busy": round(busy, 3),
            "generator_late_ms": round(max(each["late_ms"] for each in found), 2),
            "wall_s": round(wall_s, 2),
        },
        {"delivery": curve(ascending)},
        warnings,
    )


QUESTION = Question(
    name="chat",
    asks="Many rooms, everybody talks: how long until all members have a durable message, and does each arrive once?",
    params=Chat,
    figures={
        "sends_per_s": Figure("acknowledged sends each second, until the last acknowledgement"),
        "deliver_p50_ms": Figure("from the moment a send is due to its receipt, over all deliveries", at_most=25.0),
        "deliver_p99_ms": Figure("the same, 99th percentile", at_most=60.0),
        "lost": Figure("offsets that were acknowledged or seen by somebody and never reached a receiver", at_most=0),
        "duplicated": Figure("offsets that a receiver got twice", at_most=0),
        "reordered": Figure("offsets, or a sender's numbers, that came after a later one", at_most=0),
    },
    answer=answer,
    load=Load(
        param="rate",
        unit="sends/s",
        points=(100.0, 1_000.0, 2_000.0, 4_000.0, 10_000.0),
        done="sends_per_s",
        p50="deliver_p50_ms",
        p99="deliver_p99_ms",
    ),
)
