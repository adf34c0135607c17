"""One busy room, many subscribers: how many deliveries a second, how late, and for how much of the server's CPU?

A million deliveries a second are too many to look at one by one in Python. So receivers count publications in whole
buffers, and time a sample: every `sample`-th message carries a mark, and every delivery of a marked
message is timed. Which messages are marked is fixed before the run, so the sample does not depend on how they fare.
"""

import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bench.load import frames, publications
from bench.load.clients import LIVE, Client, Clients, connect_command, subscribe_command
from bench.load.counts import KEEP, RUN_TEXT, Counts, Space, said
from bench.load.frames import ServerClosed
from bench.load.generators import Link, fleet
from bench.load.pace import Pace
from bench.load.sending import Send
from bench.question import Answer, Figure, Question, Say, param
from bench.reporting.percentiles import curve, ms
from bench.server import Cost, Serve, Server, serving

DRAIN_S = 15.0
WARM = 200  # messages before the measurement
ROOM = "room:fanout"
_PING_FRAME = b"\x81\x02{}"
_PONG = frames.text(frames.PING)


@dataclass(frozen=True, kw_only=True)
class Fanout:
    seconds: float = param(5.0, "how long messages are published")
    subscribers: int = param(1_000, "subscribers of the room")
    rate: float = param(1_050.0, "messages published each second; a little above the 1,000 that the goal needs")
    text_bytes: int = param(128, "length of a message's text")
    sample: int = param(20, "one message in so many is timed, at every subscriber")
    publishers: int = param(4, "connections that publish, in turn")
    processes: int = param(1, "receiving processes; the publishers have another one")
    rest_ms: float = param(1.0, "pause of a receiver between two looks at its sockets, so that it finds more at once")
    url: str = param("", "measure this server instead of starting one")


class Publishers(Protocol):
    """Connections that publish to ROOM."""

    answered: int
    acked: int
    errors: Counter[str]

    def connect(self, count: int) -> None: ...

    def publish(self, number: int, text: str) -> None:
        """Send message `number` over the next connection in turn."""

    def turn(self, timeout_s: float) -> int:
        """Take answers, waiting for some at most `timeout_s`."""


@dataclass(frozen=True)
class Ways:
    """How clients of one kind of server listen to ROOM and publish to it. Functions: generators get them by name."""

    path: str
    hello: Callable[[int], list[dict[str, Any]]]  # number of the subscriber -> what it says first
    publishers: Callable[[tuple[str, int], Send], Publishers]


@dataclass(frozen=True)
class _Plan:
    address: tuple[str, int]
    send: Send
    ways: Ways
    params: Fanout
    first: int  # subscribers first, first + processes, ...; -1: the publishers


class _Subscribers(Clients):
    def __init__(self, address: tuple[str, int], path: str) -> None:
        super().__init__(address, window=256, path=path)
        self.downs: list[str] = []
        self.ping_s = 25.0
        self._space = Space()

    def on_live(self, client: Client) -> None:
        client.state = Counts()
        if client.replies:
            self.ping_s = client.replies[1]["connect"].get("ping", 25.0)
        for line in client.early:
            client.state.count += RUN_TEXT in line

    def on_down(self, client: Client, why: ServerClosed) -> None:
        self.downs.append(str(why))

    def drink(self, timeout_s: float, waits_ns: "array[int]", *, pings: bool) -> tuple[int, int, int]:
        """As `turn`, for connections that are all live and only listen: (publications, bytes, reads)."""
        clock, by_fd, space = time.perf_counter_ns, self._by_fd, self._space
        arrived = total = reads = 0
        for fd, _event in self._epoll.poll(timeout_s):
            client = by_fd[fd]
            try:
                size = client.sock.recv_into(space.open)  # type: ignore[union-attr]
            except BlockingIOError:
                continue
            except OSError:
                size = 0
            if not size:
                self._ended(client, ServerClosed(1006, "connection lost"))
                continue
            counts: Counts = client.state
            before = counts.count
            marks = counts.take(space, size)
            if marks:
                now_ns = clock()
                for due_ns in marks:
                    waits_ns.append(now_ns - due_ns)
            arrived += counts.count - before
            total += size
            reads += 1
            if pings and space.buffer.find(_PING_FRAME, 0, KEEP + size) >= 0:
                self.send(client, _PONG)
        return arrived, total, reads


def _receive(link: Link, plan: _Plan) -> None:
    if plan.first < 0:
        return _publish(link, plan)
    params = plan.params
    clients = [
        Client(number, plan.ways.hello(number)) for number in range(plan.first, params.subscribers, params.processes)
    ]
    listeners = _Subscribers(plan.address, plan.ways.path)
    listeners.open_all(clients, within_s=60.0)
    opened = time.monotonic()
    # A first ping comes after half an interval at the earliest; until then nobody need look for one.
    pings_from = opened + listeners.ping_s / 2 - 2.0
    link.say("connected")

    # The warm-up is over when all is published and nothing comes any more.
    ignored: array[int] = array("q")
    known, silent = False, 0
    deadline = time.monotonic() + 60.0
    while silent < 3 and time.monotonic() < deadline:
        if not known:
            known, _ = link.heard("published")
        arrived, _, _ = listeners.drink(0.1, ignored, pings=False)
        silent = 0 if arrived or not known else silent + 1
    for client in clients:
        client.state.count = 0
    link.say("warm")

    link.wait("go")
    link.measure()
    waits: array[int] = array("q")
    first_ns = last_ns = arrived = taken = reads = 0
    known, upto = False, 0
    rest_s = params.rest_ms / 1e3
    deadline = time.monotonic() + params.seconds + DRAIN_S + 5.0
    while time.monotonic() < deadline:
        new, size, count = listeners.drink(0.1, waits, pings=time.monotonic() > pings_from)
        if new:
            last_ns = time.perf_counter_ns()
            first_ns = first_ns or last_ns
            arrived += new
            taken += size
            reads += count
        if not known:
            known, upto = link.heard("published")
        elif not new and all(client.state.count >= upto for client in clients if client.stage == LIVE):
            break
        if rest_s:
            time.sleep(rest_s)
    cost = link.cost()
    counts = Counter(client.state.count for client in clients)
    return link.say(
        "done",
        {
            "waits": array("q", sorted(waits)).tobytes(),
            "arrived": arrived,
            "first_ns": first_ns,
            "last_ns": last_ns,
            "lost": sum(max(0, upto - count) * clients_ for count, clients_ in counts.items()),
            "extra": sum(max(0, count - upto) * clients_ for count, clients_ in counts.items()),
            "bytes": taken,
            "reads": reads,
            "downs": listeners.downs,
            **cost,
        },
    )


class _Publishers(Clients):
    def __init__(self, address: tuple[str, int], send: Send) -> None:
        super().__init__(address, window=64)
        self.answered = self.acked = 0
        self.errors: Counter[str] = Counter()
        self._send = send
        self._clients: list[Client] = []

    def connect(self, count: int) -> None:
        self._clients = [Client(number, [connect_command(f"p{number}")]) for number in range(count)]
        self.open_all(self._clients, within_s=30.0)

    def publish(self, number: int, text: str) -> None:
        command = self._send(number + 3, ROOM, f'{{"text":"{text}"}}')
        self.send(self._clients[number % len(self._clients)], frames.text(command.encode()))

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        for line in payload.split(b"\n"):
            if line.startswith(publications.PUSH):
                continue
            reply = publications.reply(line)
            self.answered += 1
            if reply.error:
                self.errors[reply.error] += 1
            else:
                self.acked += 1


def _listener(number: int) -> list[dict[str, Any]]:
    return [connect_command(f"s{number}"), subscribe_command(ROOM)]


CENTRIFUGE = Ways(frames.PATH, _listener, _Publishers)


def _publish(link: Link, plan: _Plan) -> None:
    params = plan.params
    publishers = plan.ways.publishers(plan.address, plan.send)
    publishers.connect(params.publishers)
    link.say("connected")

    link.wait("warm")
    _paced(publishers, params, Pace(time.perf_counter_ns(), params.rate, WARM), timed=False)
    link.say("published", publishers.acked)

    start_ns = link.wait("go")
    link.measure()
    publishers.acked = 0
    publishers.errors.clear()
    late_ns = _paced(publishers, params, Pace(start_ns, params.rate, int(params.rate * params.seconds)), timed=True)
    link.say(
        "published",
        {"acked": publishers.acked, "errors": dict(publishers.errors), "late_ms": late_ns / 1e6, **link.cost()},
    )


def _paced(publishers: Publishers, params: Fanout, pace: Pace, *, timed: bool) -> int:
    """Publish by the clock, then wait for the answers; gives how late a message left at worst, in ns."""
    publishers.answered = late_ns = 0
    while not pace.done:
        now_ns = time.perf_counter_ns()
        for number in pace.due(now_ns):
            due_ns = pace.at_ns(number)
            late_ns = max(late_ns, now_ns - due_ns)
            mark_ns = due_ns if timed and number % params.sample == 0 else 0
            publishers.publish(number, said(number, mark_ns, params.text_bytes))
        publishers.turn(0.001)
    deadline = time.monotonic() + DRAIN_S
    while publishers.answered < pace.total and time.monotonic() < deadline:
        publishers.turn(0.05)
    return late_ns


def answer(params: Fanout, say: Say, serve: Serve | None = None, ways: Ways = CENTRIFUGE) -> Answer:
    """Start the server and have it published at; `serve` and `ways`: a peer's."""
    say("starting the server", 0.0)
    with serve() if serve else serving(params.url) as server:
        return measure(params, say, server, ways=ways)


def measure(
    params: Fanout, say: Say, server: Server, addresses: Sequence[tuple[str, int]] = (), ways: Ways = CENTRIFUGE
) -> Answer:
    """Receivers first, then the publishers: both are told when to begin, receivers also how much there was.

    `addresses`: of the nodes that receivers connect to in turn, where the server has several; publishers take the
    first.
    """
    where = addresses or [server.address]

    def plan(first: int) -> _Plan:
        return _Plan(where[max(0, first) % len(where)], server.send, ways, params, first)

    receiving = [plan(first) for first in range(params.processes)]
    with (
        fleet(_receive, receiving) as receivers,
        fleet(_receive, [plan(-1)]) as publisher,
    ):
        say("connecting", 0.1)
        receivers.wait("connected", within_s=90.0)
        publisher.wait("connected", within_s=90.0)
        say("warming up", 0.2)
        publisher.tell("warm")
        receivers.tell("published", publisher.wait("published", within_s=60.0)[0])
        receivers.wait("warm", within_s=90.0)
        before = server.cost()
        start_ns = time.perf_counter_ns() + 50_000_000
        receivers.tell("go")
        publisher.tell("go", start_ns)
        published = publisher.wait(
            "published",
            within_s=params.seconds + DRAIN_S + 30.0,
            waiting=lambda passed: say("publishing", 0.2 + 0.7 * min(1.0, passed / params.seconds)),
        )[0]
        receivers.tell("published", published["acked"])
        found = receivers.wait("done", within_s=DRAIN_S + 30.0)
        after = server.cost()
    return _added(params, found, published, after - before)


def _added(params: Fanout, found: list[dict[str, Any]], published: dict[str, Any], cost: Cost) -> Answer:
    waits = array("q")
    for each in found:
        waits.frombytes(each["waits"])
    ascending = sorted(waits)
    arrived = sum(each["arrived"] for each in found)
    # From the first delivery to the last there is one interval less than there are messages.
    span_s = (max(each["last_ns"] for each in found) - min(each["first_ns"] for each in found)) / 1e9 + 1 / params.rate
    generators_s = sum(each["cpu_s"] for each in found) + published["cpu_s"]
    busy = max(each["cpu_s"] / each["wall_s"] for each in found)
    warnings = [f"{count} messages were refused: {text}" for text, count in published["errors"].items()]
    warnings += cost.doubts(generators_s)
    if busy > 0.9:
        warnings.append(f"a receiver was busy {busy:.0%} of the time: the figures are its own, not the server's")
    downs = [why for each in found for why in each["downs"]]
    if downs:
        warnings.append(f"{len(downs)} subscribers were disconnected, the first with: {downs[0]}")
    return Answer(
        {
            "deliveries_per_s": round(arrived / span_s, 1),
            "p50_ms": ms(ascending, 0.5),
            "p99_ms": ms(ascending, 0.99),
            **cost.results(generators_s),
            "deliveries": arrived,
            "lost": sum(each["lost"] for each in found),
            "duplicated": sum(each["extra"] for each in found),
            "timed": len(ascending),
            "max_ms": ms(ascending, 1.0),
            "megabytes": round(sum(each["bytes"] for each in found) / 1e6, 1),
            "deliveries_per_read": round(arrived / max(1, sum(each["reads"] for each in found)), 1),
            "generator_busy": round(busy, 3),
            "generator_late_ms": round(published["late_ms"], 2),
        },
        {"delivery": curve(ascending)},
        warnings,
    )


QUESTION = Question(
    name="fanout",
    asks="One busy room, many subscribers: how many deliveries a second, how late, for how much CPU?",
    params=Fanout,
    figures={
        "deliveries_per_s": Figure("publications received, over all subscribers, each second", at_least=1_000_000),
        "p50_ms": Figure(
            "from the moment a message is due to its receipt, over all deliveries of the timed messages", at_most=10.0
        ),
        "p99_ms": Figure("the same, 99th percentile", at_most=35.0),
        "server_cpu_s": Figure("CPU seconds of the server's process, without its Postgres"),
        "lost": Figure("acknowledged messages that a subscriber did not get", at_most=0),
    },
    answer=answer,
)
