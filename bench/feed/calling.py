"""Users who call, each over a WebSocket of their own: by the clock, or as many at once as are let.

By the clock a call waits from the moment it was due, whatever the server did before. Of two calls of one user the
answers come in order, so that a call is known by its number.
"""

import json
import re
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.load import frames
from bench.load.clients import Client, Clients
from bench.load.frames import ServerClosed
from bench.load.generators import Fleet, Link
from bench.load.pace import Pace
from bench.question import Results
from bench.reporting.percentiles import ms

DRAIN_S = 30.0  # that the last answers may take
OPEN_S = 120.0
REST_S = 0.0005  # between two looks at the sockets; counts as latency
HELLO = 2  # ids that the hello uses
_NOBODY = (0, 0)
_ID = re.compile(rb'\{"id":(\d+),')
_COUNT = re.compile(rb'"count":(\d+)')
_DUE = re.compile(rb"~(\d+)~")


class Call(NamedTuple):
    """One command of one user."""

    user: int
    method: str  # kind:key/command
    data: str  # JSON; `DUE` in it becomes the moment when it was due


DUE = "~due~"


@dataclass(frozen=True)
class Callers:
    """Who they are: users and their tokens."""

    address: tuple[str, int]
    tokens: list[tuple[str, str]]
    watching: str = ""  # a kind: each watches their own of it


@dataclass(frozen=True)
class Offered:
    """What is to be called."""

    calls: list[Call]
    per_s: float = 0.0  # 0: as fast as it is answered, `at_once` on their way
    at_once: int = 0


@dataclass(frozen=True)
class News:
    """Wait until so many watchers of feeds have heard that so much is new; answered with when each did, ns."""

    new: int
    users: int
    within_s: float


@dataclass(frozen=True)
class Marks:
    """Wait until so many marks were heard; answered with how long each took, ns."""

    count: int
    within_s: float


@dataclass
class Answered:
    """What became of it."""

    waits: list[float] = field(default_factory=list)  # ns, ascending
    errors: dict[str, int] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)  # which calls
    unanswered: int = 0
    seconds: float = 0.0
    late_ms: float = 0.0  # of the generator
    cpu_s: float = 0.0
    downs: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        return ms(self.waits, share)

    def results(self, name: str) -> Results:
        """Beside the percentiles: what was reached, and what was not answered with what was asked for."""
        return {
            f"{name}_per_s": round(len(self.waits) / self.seconds, 1) if self.seconds else 0.0,
            f"{name}_p99_ms": self.percentile(0.99),
            f"{name}_refused": sum(self.errors.values()) + self.unanswered,
        }

    def doubts(self, name: str) -> list[str]:
        found = [f"{count} × {name} refused: {text}" for text, count in self.errors.items()]
        if self.unanswered:
            found.append(f"{self.unanswered} × {name} not answered within {DRAIN_S:g} s")
        if self.downs:
            found.append(f"{len(self.downs)} who called were disconnected, the first with: {self.downs[0]}")
        if self.late_ms > 20:
            found.append(f"{name}: the generator was late by up to {self.late_ms:.0f} ms")
        return found


class _Callers(Clients):
    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, window=128)
        self.due: dict[tuple[int, int], tuple[int, int]] = {}  # user, id -> which call, when it was due, ns
        self.waits = array("q")
        self.refused: list[int] = []
        self.errors: Counter[str] = Counter()
        self.downs: list[str] = []
        self.heard = array("q")
        self.counts: dict[int, dict[int, int]] = {}  # how many were new -> user -> when they first heard so, ns

    def on_live(self, client: Client) -> None:
        for line in client.early:
            self.on_payload(client, line, time.perf_counter_ns())

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        for line in payload.split(b"\n"):
            if not line.startswith(b'{"id":'):
                self._hear(client, line, now_ns)
                continue
            known = _ID.match(line)
            assert known is not None, line[:100]
            call, due_ns = self.due.pop((client.index, int(known[1])), _NOBODY)
            if due_ns == 0:
                continue  # too late to count
            if line.startswith(b'"error":', known.end()):
                error = json.loads(line)["error"]
                self.errors[f"{error.get('code')} {error.get('message')}"] += 1
                self.refused.append(call)
            else:
                self.waits.append(now_ns - due_ns)

    def _hear(self, client: Client, line: bytes, now_ns: int) -> None:
        said = _DUE.search(line)
        if said is not None:
            self.heard.append(now_ns - int(said[1]))
        elif b'"feed.new"' in line:
            count = _COUNT.search(line)
            if count is not None:
                for reached in range(1, int(count[1]) + 1):
                    self.counts.setdefault(reached, {}).setdefault(client.index, now_ns)

    def on_down(self, client: Client, why: ServerClosed) -> None:
        self.downs.append(str(why))


def call(link: Link, plan: Callers) -> None:
    """A generator's work: connects, says `connected`, and then does what it is told and says what came of it, until
    its bench is gone."""
    clients = [Client(number, _hello(*one, plan.watching)) for number, one in enumerate(plan.tokens)]
    numbers = [HELLO] * len(clients)
    callers = _Callers(plan.address)
    callers.open_all(clients, within_s=OPEN_S)
    link.say("connected", len(clients))
    while True:
        callers.turn(0.005)
        is_told, wanted = link.heard("do")
        if not is_told:
            continue
        match wanted:
            case Offered():
                link.say("done", _offer(callers, clients, numbers, wanted, link))
            case News():
                link.say("done", _news(callers, wanted))
            case Marks():
                link.say("done", _marks(callers, wanted))


def ask(fleet: Fleet, wanted: "Offered | News | Marks", within_s: float = 600.0) -> Any:
    """What the one generator of a fleet says to it."""
    fleet.tell("do", wanted)
    return fleet.wait("done", within_s=within_s)[0]


def offer(fleet: Fleet, offered: Offered) -> Answered:
    return Answered(**ask(fleet, offered))


def _news(callers: _Callers, wanted: News) -> list[float]:
    until = time.monotonic() + wanted.within_s
    while len(callers.counts.get(wanted.new, ())) < wanted.users and time.monotonic() < until:
        callers.turn(0.001)
    return sorted(callers.counts.get(wanted.new, {}).values())


def _marks(callers: _Callers, wanted: Marks) -> list[float]:
    until = time.monotonic() + wanted.within_s
    while len(callers.heard) < wanted.count and time.monotonic() < until:
        callers.turn(0.001)
    return sorted(callers.heard)


def _hello(user: str, token: str, watching: str) -> list[dict[str, Any]]:
    hello: list[dict[str, Any]] = [{"id": 1, "connect": {"token": token, "name": "bench"}}]
    if watching:
        hello.append({"id": 2, "subscribe": {"channel": f"{watching}:{user}"}})
    return hello


def _offer(
    callers: _Callers, clients: list[Client], numbers: list[int], offered: Offered, link: Link
) -> dict[str, Any]:
    link.measure()
    callers.waits, callers.errors, callers.refused = array("q"), Counter(), []
    start_ns = time.perf_counter_ns()
    late_ns = 0

    def ask(number: int, due_ns: int) -> None:
        one = offered.calls[number]
        numbers[one.user] += 1
        callers.due[one.user, numbers[one.user]] = number, due_ns
        data = one.data.replace(DUE, f"~{due_ns}~")
        command = f'{{"id":{numbers[one.user]},"rpc":{{"method":"{one.method}","data":{data}}}}}'
        callers.send(clients[one.user], frames.text(command.encode()))

    if offered.per_s:
        pace = Pace(start_ns, offered.per_s, len(offered.calls))
        while not pace.done:
            now_ns = time.perf_counter_ns()
            for number in pace.due(now_ns):
                late_ns = max(late_ns, now_ns - pace.at_ns(number))
                ask(number, pace.at_ns(number))
            callers.turn(0)
            time.sleep(REST_S)
    else:
        given = 0
        while given < len(offered.calls) and not callers.downs:
            while given < len(offered.calls) and len(callers.due) < offered.at_once:
                ask(given, time.perf_counter_ns())
                given += 1
            callers.turn(0.01)
    deadline = time.monotonic() + DRAIN_S
    while callers.due and time.monotonic() < deadline:
        callers.turn(0.001)
    seconds = (time.perf_counter_ns() - start_ns) / 1e9
    unanswered = len(callers.due)
    callers.due.clear()
    return {
        "waits": sorted(callers.waits),
        "errors": dict(callers.errors),
        "refused": callers.refused,
        "unanswered": unanswered,
        "seconds": seconds,
        "late_ms": late_ns / 1e6,
        "cpu_s": link.cost()["cpu_s"],
        "downs": callers.downs,
    }
