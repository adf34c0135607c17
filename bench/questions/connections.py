"""Thousands of idle WebSockets: what does each cost in memory, and how fast do they come in?

Memory is the resident memory of the server's process, before and after; before, some connections have come and gone, so
that code loaded for the first of them is not counted. What the kernel keeps for a socket is not in it.
"""

import time
from dataclasses import dataclass

from bench.load.clients import Client, Clients, connect_command, subscribe_command
from bench.load.frames import ServerClosed
from bench.load.generators import Link, fleet
from bench.question import Answer, Figure, Question, Say, param
from bench.server import Serve, serving

WARM = 100


@dataclass(frozen=True, kw_only=True)
class Connections:
    clients: int = param(10_000, "connections, each of a user of its own")
    hold: float = param(3.0, "seconds that they are held idle before memory is read")
    window: int = param(256, "connections on their way at once")
    subscribe: int = param(0, "rooms that each subscribes to: 0 or 1; with 1, a room for every hundred clients")
    processes: int = param(1, "generator processes")
    url: str = param("", "measure this server instead of starting one")


@dataclass(frozen=True)
class _Plan:
    address: tuple[str, int]
    params: Connections
    first: int


class _Idle(Clients):
    def __init__(self, address: tuple[str, int], window: int) -> None:
        super().__init__(address, window=window)
        self.downs: list[str] = []

    def on_down(self, client: Client, why: ServerClosed) -> None:
        self.downs.append(str(why))


def _generate(link: Link, plan: _Plan) -> None:
    params = plan.params
    idle = _Idle(plan.address, max(1, params.window // params.processes))
    warm = [Client(number, _hello(f"w{plan.first}-{number}", number, params)) for number in range(WARM)]
    idle.open_all(warm, within_s=30.0)
    for client in warm:
        idle.drop(client)
    idle.retries = idle.first_syn_ns = 0
    clients = [
        Client(number, _hello(f"u{number}", number, params))
        for number in range(plan.first, params.clients, params.processes)
    ]
    link.say("warm")

    link.wait("go")
    link.measure()
    idle.open_all(clients, within_s=120.0)
    link.say(
        "open", {"first_ns": idle.first_syn_ns, "last_ns": idle.last_live_ns, "retries": idle.retries, **link.cost()}
    )
    ended = False
    while not ended:  # idle, but alive: pings are answered
        idle.turn(0.1)
        ended, _ = link.heard("end")
    link.say("done", {"downs": idle.downs, "live": idle.live})


def _hello(user: str, number: int, params: Connections) -> list[dict[str, object]]:
    if not params.subscribe:
        return [connect_command(user)]
    return [connect_command(user), subscribe_command(f"room:idle-{number // 100}")]


def answer(params: Connections, say: Say, serve: Serve | None = None) -> Answer:
    """Open them all, hold them, and read the server's memory before and after; `serve`: a peer's."""
    say("starting the server", 0.0)
    with serve() if serve else serving(params.url) as server:
        plans = [_Plan(server.address, params, first) for first in range(params.processes)]
        with fleet(_generate, plans) as generators:
            generators.wait("warm", within_s=60.0)
            time.sleep(1.0)  # the warm connections are gone and forgotten
            before_bytes, before = server.resident_bytes(), server.cost()
            generators.tell("go")
            opened = generators.wait(
                "open", within_s=150.0, waiting=lambda passed: say("connecting", min(0.6, passed / 30))
            )
            after = server.cost()
            begun = time.monotonic()
            while (held := time.monotonic() - begun) < params.hold:
                say("holding", 0.6 + 0.4 * held / params.hold)
                time.sleep(0.1)
            after_bytes, idle = server.resident_bytes(), server.cost()
            generators.tell("end")
            found = generators.wait("done", within_s=30.0)
    took_s = (max(each["last_ns"] for each in opened) - min(each["first_ns"] for each in opened)) / 1e9
    busy = max(each["cpu_s"] / each["wall_s"] for each in opened)
    live = sum(each["live"] for each in found)
    cost, generators_s = after - before, sum(each["cpu_s"] for each in opened)
    warnings = cost.doubts(generators_s)
    if busy > 0.9:
        warnings.append(f"a generator was busy {busy:.0%} of the time: connects_per_s is its own figure")
    downs = [why for each in found for why in each["downs"]]
    if downs:
        warnings.append(f"{len(downs)} clients were disconnected, the first with: {downs[0]}")
    if not server.pid:
        warnings.append("a server that runs already: its memory is not known here")
    return Answer(
        {
            "connections": live,
            "bytes_per_connection": round((after_bytes - before_bytes) / max(1, live)),
            "connects_per_s": round(params.clients / took_s, 1),
            "retries": sum(each["retries"] for each in opened),
            "server_mb": round(after_bytes / 2**20, 1),
            **cost.results(generators_s),
            "idle_cpu_share": round((idle.server_s - after.server_s) / max(0.01, params.hold), 3),
            "generator_busy": round(busy, 3),
        },
        {},
        warnings,
    )


QUESTION = Question(
    name="connections",
    asks="Thousands of idle WebSockets: what does each cost in memory, and how fast do they come in?",
    params=Connections,
    figures={
        "connections": Figure("connections that were open at the end", at_least=10_000),
        "bytes_per_connection": Figure("growth of the server's resident memory for each", at_most=10_000),
        "connects_per_s": Figure(
            "connections each second, from the first SYN to the last connect reply", at_least=2_000
        ),
    },
    answer=answer,
)
