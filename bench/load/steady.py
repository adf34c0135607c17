"""Steady commands by the clock, so that a stall of the server shows, however short: in what it says to somebody else.

By turns one that writes (a room's `send`) and one that reads (`read`, in another room). What writes waits for the disk,
too; what reads waits for nothing but the loop.
"""

import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.load import frames, publications
from bench.load.clients import Client, Clients, connect_command
from bench.load.frames import ServerClosed
from bench.load.generators import Link
from bench.load.pace import Pace
from bench.load.sending import rpc

WRITTEN, LOOKED = "room:steady", "room:looked-at"
WARM_S = 1.0
DRAIN_S = 10.0
_NEVER = 10**9  # messages: until it is told to stop


@dataclass(frozen=True, slots=True)
class Waits:
    """Of each answered command when it was due, and how long it waited from then, ns."""

    due_ns: Sequence[int]
    waited_ns: Sequence[int]


@dataclass(frozen=True, slots=True)
class Delay:
    """What became of steady commands while something else went on, ms."""

    worst_ms: float
    before_ms: float  # the median, before that
    before_worst_ms: float  # what the machine does by itself

    @property
    def delay_ms(self) -> float:
        return self.worst_ms - self.before_ms


def delay(waits: Waits, begun_ns: int, ended_ns: int) -> Delay:
    """By what went on between these moments: to whoever waited at any of them. Raises: ValueError when nobody did, or
    nobody had asked before."""
    before, during = [], []
    for due_ns, waited_ns in zip(waits.due_ns, waits.waited_ns, strict=True):
        if due_ns + waited_ns <= begun_ns:
            before.append(waited_ns / 1e6)
        elif due_ns < ended_ns:
            during.append(waited_ns / 1e6)
    if not before or not during:
        raise ValueError("no steady command was answered before what went on, or while it did")
    return Delay(max(during), median(before), max(before))


@dataclass(frozen=True, slots=True)
class Plan:
    address: tuple[str, int]
    per_s: float  # commands, of both kinds together


class _Steady(Clients):
    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, window=1)
        self.asked: dict[int, int] = {}  # id of the command -> when it was due, ns
        self.found = {True: (array("q"), array("q")), False: (array("q"), array("q"))}  # does it write?
        self.errors: dict[str, int] = {}
        self.downs: list[str] = []

    def ask(self, client: Client, number: int, due_ns: int) -> None:
        self.asked[number] = due_ns
        if _writes(number):
            command = rpc(number, WRITTEN, f'{{"text":"{number}"}}')
        else:
            command = f'{{"id":{number},"rpc":{{"method":"{LOOKED}/read","data":{{"offset":0}}}}}}'
        self.send(client, frames.text(command.encode()))

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        for line in payload.split(b"\n"):
            if not line.startswith(publications.REPLY):
                continue
            reply = publications.reply(line)
            due_ns = self.asked.pop(reply.id)
            if reply.error:
                self.errors[reply.error] = self.errors.get(reply.error, 0) + 1
                continue
            due, waited = self.found[_writes(reply.id)]
            due.append(due_ns)
            waited.append(now_ns - due_ns)

    def on_down(self, client: Client, why: ServerClosed) -> None:
        self.downs.append(str(why))


def _writes(number: int) -> bool:
    return number % 2 == 0


def ask_steadily(link: Link, plan: Plan) -> None:
    """A generator's work: says `steady` when it has asked for a second, asks until it is told `end`, says `done` with
    what it found."""
    steady = _Steady(plan.address)
    client = Client(0, [connect_command("steady"), *({"id": 2 + n, "rpc": _join(n)} for n in range(2))])
    steady.open_all([client], within_s=30.0)
    link.measure()
    start_ns = time.perf_counter_ns()
    pace = Pace(start_ns, plan.per_s, _NEVER)
    late_ns, is_warm, ended = 0, False, False
    while not ended and not steady.downs:
        now_ns = time.perf_counter_ns()
        for number in pace.due(now_ns):
            due_ns = pace.at_ns(number)
            late_ns = max(late_ns, now_ns - due_ns)
            steady.ask(client, number + 10, due_ns)
        steady.turn(0.001)
        if not is_warm and now_ns > start_ns + WARM_S * 1e9:
            is_warm, late_ns = True, 0
            for due, waited in steady.found.values():
                del due[:], waited[:]
            link.say("steady")
        ended, _ = link.heard("end")
    deadline = time.monotonic() + DRAIN_S
    while steady.asked and not steady.downs and time.monotonic() < deadline:
        steady.turn(0.1)
    link.say(
        "done",
        {
            "writing": Waits(*steady.found[True]),
            "reading": Waits(*steady.found[False]),
            "late_ms": late_ns / 1e6,
            "errors": steady.errors,
            "downs": steady.downs,
            "unanswered": len(steady.asked),
            **link.cost(),
        },
    )


def _join(number: int) -> dict[str, object]:
    """Members alone send, and have read something."""
    return {"method": f"{(WRITTEN, LOOKED)[number]}/join", "data": {}}
