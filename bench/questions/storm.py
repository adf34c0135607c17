"""Every client drops at once and resumes, while publishing goes on: are all back, how soon, and was anything missed?

The clients reset their sockets in one go, reconnect at once, and subscribe with the epoch and offset they had. What
they missed must come with the subscribe reply, what follows must join on without a gap: each offset is checked at each
client.
"""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bench.load import frames, publications
from bench.load.clients import LIVE, Client, Clients, connect_command, subscribe_command
from bench.load.frames import ServerClosed
from bench.load.generators import Link, fleet
from bench.load.pace import Pace
from bench.load.sending import Send
from bench.load.tally import Tally
from bench.question import Answer, Figure, Question, Say, param
from bench.server import Serve, serving

DRAIN_S = 15.0
RESUME_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Storm:
    clients: int = param(5_000, "clients that drop and resume")
    rooms: int = param(100, "rooms, each client subscribes to one")
    rate: float = param(500.0, "messages published each second over all rooms, all the time")
    seconds: float = param(2.0, "how long publishing goes on before the drop, and after all are back")
    publishers: int = param(8, "connections that publish, in turn")
    away: float = param(0.0, "seconds that the clients stay away")
    window: int = param(1_000, "clients on their way at once while they reconnect")
    processes: int = param(1, "generator processes; the publisher has another one")
    url: str = param("", "measure this server instead of starting one")


@dataclass(frozen=True)
class _Plan:
    address: tuple[str, int]
    send: Send
    params: Storm
    first: int  # clients first, first + processes, ...; -1: the publisher


class _Place:
    """Where a client is in its room."""

    __slots__ = ("epoch", "recovered", "room", "tally", "times")

    def __init__(self, room: int) -> None:
        self.room = room
        self.epoch = ""
        self.tally = Tally()
        self.times = 0  # how often it has been live
        self.recovered = False


class _Resumers(Clients):
    def __init__(self, address: tuple[str, int], window: int) -> None:
        super().__init__(address, window=window)
        self.downs: list[str] = []
        self.replayed = 0

    def on_live(self, client: Client) -> None:
        place: _Place = client.state
        reply = client.replies[2]["subscribe"]
        place.times += 1
        if place.times == 1:
            place.tally = Tally(reply.get("offset", 0))
        elif reply.get("recovered") and reply.get("epoch") == place.epoch:
            place.recovered = True
            for pub in reply.get("publications", ()):
                self.replayed += 1
                place.tally.take(pub["offset"])
        else:
            place.recovered = False
            place.tally.skip_to(reply.get("offset", 0))
        place.epoch = reply.get("epoch", "")
        for line in client.early:
            self.on_payload(client, line, 0)

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        place: _Place = client.state
        for line in payload.split(b"\n"):
            if line.startswith(publications.PUSH):
                found = publications.publication(line)
                if found is not None and found.offset:
                    place.tally.take(found.offset)
                elif b'"unsubscribe"' in line:
                    self.on_down(client, ServerClosed(2500, line.decode(errors="replace")))

    def on_down(self, client: Client, why: ServerClosed) -> None:
        self.downs.append(str(why))


def _generate(link: Link, plan: _Plan) -> None:
    if plan.first < 0:
        return _publish(link, plan)
    params = plan.params
    clients = []
    for number in range(plan.first, params.clients, params.processes):
        room = number % params.rooms
        hello = [connect_command(f"s{number}"), subscribe_command(f"room:storm-{room}")]
        clients.append(Client(number, hello, _Place(room)))
    resumers = _Resumers(plan.address, max(1, params.window // params.processes))
    resumers.open_all(clients, within_s=90.0)
    link.say("connected")
    dropped = False
    while not dropped:
        resumers.turn(0.05)
        dropped, _ = link.heard("drop")

    link.measure()
    resumers.retries = 0
    drop_ns = time.perf_counter_ns()
    for client in clients:
        resumers.drop(client)
    down_ns = time.perf_counter_ns()
    if params.away:
        time.sleep(params.away)
    for client in clients:
        place = client.state
        channel = f"room:storm-{place.room}"
        client.greet(
            [
                connect_command(f"s{client.index}"),
                subscribe_command(channel, epoch=place.epoch, offset=place.tally.next - 1),
            ]
        )
    resumers.open(clients)
    deadline = time.monotonic() + RESUME_S
    while resumers.live < len(clients) and time.monotonic() < deadline:
        resumers.turn(0.05)
    cost = link.cost()
    link.say("resumed")

    ended = False
    tops: dict[int, int] = {}
    while not ended:
        resumers.turn(0.05)
        ended, tops = link.heard("published")
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        resumers.turn(0.05)
        if all(client.state.tally.next > tops.get(client.state.room, 0) for client in clients if client.stage == LIVE):
            break
    lost = Counter(client.state.tally.lost(tops.get(client.state.room, 0)) for client in clients)
    return link.say(
        "done",
        {
            "live": resumers.live,
            "recovered": sum(client.state.recovered for client in clients),
            "lost": sum(count * times for count, times in lost.items()),
            "losers": sum(times for count, times in lost.items() if count),
            "duplicated": sum(client.state.tally.duplicated for client in clients),
            "reordered": sum(client.state.tally.reordered for client in clients),
            "drop_ns": drop_ns,
            "down_ns": down_ns,
            "last_ns": resumers.last_live_ns,
            "retries": resumers.retries,
            "replayed": resumers.replayed,
            "downs": resumers.downs,
            **cost,
        },
    )


class _Publisher(Clients):
    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, window=16)
        self.tops: dict[int, int] = {}
        self.rooms: dict[int, int] = {}  # command id -> room
        self.answered = 0
        self.errors: Counter[str] = Counter()

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        for line in payload.split(b"\n"):
            if line.startswith(publications.PUSH):
                continue
            reply = publications.reply(line)
            self.answered += 1
            room = self.rooms.pop(reply.id)
            if reply.error:
                self.errors[reply.error] += 1
                continue
            top = self.tops.get(room, 0)
            # A peer's reply names no offset; its rooms are new and take nothing but these messages: they are counted.
            self.tops[room] = max(top, reply.offset) if reply.offset else top + 1


def _publish(link: Link, plan: _Plan) -> None:
    """Publish by the clock until told to stop; says the highest acknowledged offset of each room."""
    params = plan.params
    publisher = _Publisher(plan.address)
    clients = [Client(number, [connect_command(f"p{number}")]) for number in range(params.publishers)]
    publisher.open_all(clients, within_s=30.0)
    link.say("connected")
    link.wait("go")
    pace = Pace(time.perf_counter_ns(), params.rate, 1 << 40)
    sent, ended = 0, False
    while not ended:
        for number in pace.due(time.perf_counter_ns()):
            room = number % params.rooms
            publisher.rooms[number + 3] = room
            command = plan.send(number + 3, f"room:storm-{room}", f'{{"text":"message {number}"}}')
            publisher.send(clients[number % len(clients)], frames.text(command.encode()))
            sent += 1
        publisher.turn(0.002)
        ended, _ = link.heard("stop")
    deadline = time.monotonic() + DRAIN_S
    while publisher.answered < sent and time.monotonic() < deadline:
        publisher.turn(0.05)
    link.say("published", {"tops": publisher.tops, "sent": sent, "errors": dict(publisher.errors)})


def answer(params: Storm, say: Say, serve: Serve | None = None) -> Answer:
    """Have clients live and a publisher at work, drop the clients, and see them all back; `serve`: a peer's."""
    say("starting the server", 0.0)
    with serve() if serve else serving(params.url) as server:
        plans = [_Plan(server.address, server.send, params, first) for first in range(params.processes)]
        with (
            fleet(_generate, plans) as generators,
            fleet(_generate, [_Plan(server.address, server.send, params, -1)]) as publisher,
        ):
            say("connecting", 0.1)
            generators.wait("connected", within_s=120.0)
            publisher.wait("connected", within_s=30.0)
            publisher.tell("go")
            _hold(params.seconds, say, 0.3)
            before = server.cost()
            generators.tell("drop")
            generators.wait(
                "resumed",
                within_s=RESUME_S + params.away + 30.0,
                waiting=lambda passed: say("resuming", 0.5 + min(0.3, passed / 30)),
            )
            after = server.cost()
            _hold(params.seconds, say, 0.8)
            publisher.tell("stop")
            published: dict[str, Any] = publisher.wait("published", within_s=DRAIN_S + 30.0)[0]
            generators.tell("published", published["tops"])
            found = generators.wait("done", within_s=DRAIN_S + 30.0)

    def total(name: str) -> int:
        return sum(int(each[name]) for each in found)

    busy = max(each["cpu_s"] / each["wall_s"] for each in found)
    cost, generators_s = after - before, sum(each["cpu_s"] for each in found)
    warnings = cost.doubts(generators_s) + [
        f"{count} messages were refused: {text}" for text, count in published["errors"].items()
    ]
    if total("live") < params.clients:
        warnings.append(f"{params.clients - total('live')} clients were not back within {RESUME_S:.0f} s")
    if busy > 0.9 and cost.at_s > 1.0:
        warnings.append(f"a generator was busy {busy:.0%} of the time: `seconds` is its own figure")
    downs = [why for each in found for why in each["downs"]]
    if downs:
        warnings.append(f"{len(downs)} clients were disconnected by the server, the first with: {downs[0]}")
    return Answer(
        {
            "clients": params.clients,
            "recovered": total("recovered"),
            "lost": total("lost"),
            "seconds": round((max(each["last_ns"] for each in found) - min(e["drop_ns"] for e in found)) / 1e9, 3),
            "duplicated": total("duplicated"),
            "reordered": total("reordered"),
            "clients_with_loss": total("losers"),
            "replayed": total("replayed"),
            "retries": total("retries"),
            "dropping_s": round(max(each["down_ns"] - each["drop_ns"] for each in found) / 1e9, 3),
            "published": published["sent"],
            **cost.results(generators_s),
            "generator_busy": round(busy, 3),
        },
        {},
        warnings,
    )


def _hold(seconds: float, say: Say, done: float) -> None:
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        say("publishing", done + 0.2 * passed / seconds)
        time.sleep(0.1)


QUESTION = Question(
    name="storm",
    asks="Every client drops at once and resumes while publishing goes on: are all back, how soon, and whole?",
    params=Storm,
    figures={
        "clients": Figure("clients that dropped"),
        "recovered": Figure("those that the server resumed from their offset", at_least=5_000),
        "lost": Figure("acknowledged messages that a client never got, over all clients", at_most=0),
        "seconds": Figure("from the first reset to the last resumed subscription", at_most=10.0),
        "duplicated": Figure("messages that a client got twice", at_most=0),
        "reordered": Figure("messages that came after a later one", at_most=0),
    },
    answer=answer,
)
