"""Durable commands over plain HTTP: how many a second, and how long does one take?

Closed loop: each keep-alive connection sends its next request when the last was answered, so this measures what the
server can do, and latencies are those of a server at its limit.
"""

import re
import select
import socket
import time
from array import array
from collections import Counter
from dataclasses import dataclass

from bench.load.generators import Link, fleet
from bench.question import Answer, Figure, Question, Say, param
from bench.reporting.percentiles import curve, ms
from bench.server import serving

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass(frozen=True, kw_only=True)
class Http:
    seconds: float = param(5.0, "how long requests are made")
    connections: int = param(64, "keep-alive connections, each with one request on its way")
    rooms: int = param(64, "rooms that the connections send to")
    text_bytes: int = param(64, "length of a message's text")
    ids: bool = param(False, "give every request an Idempotency-Key")
    processes: int = param(1, "generator processes")
    url: str = param("", "measure this server instead of starting one")


@dataclass(frozen=True)
class _Plan:
    address: tuple[str, int]
    params: Http
    first: int  # connections first, first + processes, ...


def answered(response: bytes) -> int:
    """The status of the response that `response` holds in whole, 0 while more has to come.

    Raises: ValueError when there is more than one answer, or none that HTTP/1.1 with a Content-Length allows.
    """
    end = response.find(b"\r\n\r\n")
    if end < 0:
        return 0
    length = _LENGTH.search(response, 0, end + 2)
    if length is None or not response.startswith(b"HTTP/1.1 "):
        raise ValueError(f"not a response with a length: {response[:200]!r}")
    beyond = len(response) - (end + 4 + int(length[1]))
    if beyond > 0:
        raise ValueError(f"{beyond} bytes after the response")
    return int(response[9:12]) if beyond == 0 else 0


class _Caller:
    __slots__ = ("begun_ns", "number", "request", "rest", "sock")

    def __init__(self, address: tuple[str, int], index: int, params: Http) -> None:
        self.sock = socket.create_connection(address, timeout=10.0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.rest = b""
        self.number = 0
        self.begun_ns = 0
        body = b'{"text":"' + b"x" * params.text_bytes + b'"}'
        key = b"Idempotency-Key: %d-%%d\r\n" % index if params.ids else b""
        self.request = (
            b"POST /api/room/http-%d/send HTTP/1.1\r\nHost: bench\r\nX-Greenroom-User: h%d\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n"
            % (index % params.rooms, index, len(body))
            + key
            + b"\r\n"
            + body
        )

    def ask(self, ids: bool) -> None:
        self.number += 1
        self.begun_ns = time.perf_counter_ns()
        self.sock.send(self.request % self.number if ids else self.request)


def _generate(link: Link, plan: _Plan) -> None:
    params = plan.params
    callers = {
        caller.sock.fileno(): caller
        for caller in (
            _Caller(plan.address, index, params) for index in range(plan.first, params.connections, params.processes)
        )
    }
    poller = select.epoll()
    for fd in callers:
        poller.register(fd, select.EPOLLIN)
    _loop(poller, callers, params.ids, 0.5)  # wakes the rooms, warms the code
    link.say("warm")
    link.wait("go")
    link.measure()
    begun = time.perf_counter()
    waits, statuses, sample = _loop(poller, callers, params.ids, params.seconds)
    wall_s = time.perf_counter() - begun
    cost = link.cost()
    link.say(
        "done",
        {
            "waits": array("q", sorted(waits)).tobytes(),
            "statuses": dict(statuses),
            "sample": sample,
            "took_s": wall_s,
            **cost,
        },
    )


def _loop(
    poller: select.epoll, callers: dict[int, _Caller], ids: bool, seconds: float
) -> "tuple[array[int], Counter[int], str]":
    """Ask until the time is over, then take the last answers: waits in ns, statuses (0: lost connection), an error."""
    waits: array[int] = array("q")
    statuses: Counter[int] = Counter()
    sample = ""
    clock = time.perf_counter_ns
    for caller in callers.values():
        caller.ask(ids)
    open_calls = len(callers)
    end_ns = clock() + int(seconds * 1e9)
    give_up_ns = end_ns + 15_000_000_000
    while open_calls:
        ready = poller.poll(0.5)
        if clock() > give_up_ns:
            statuses[0] += open_calls
            sample = sample or "requests were not answered within 15 s"
            break
        for fd, _event in ready:
            caller = callers[fd]
            try:
                data = caller.sock.recv(65_536)
            except OSError as error:
                data, sample = b"", sample or str(error)
            now_ns = clock()
            if not data:
                statuses[0] += 1
                sample = sample or "the server closed a connection"
                poller.unregister(fd)
                caller.sock.close()
                del callers[fd]
                open_calls -= 1
                continue
            if caller.rest:
                data = caller.rest + data
            status = answered(data)
            if not status:
                caller.rest = data
                continue
            caller.rest = b""
            waits.append(now_ns - caller.begun_ns)
            statuses[status] += 1
            if status != 200:
                sample = sample or data.partition(b"\r\n\r\n")[2][:300].decode(errors="replace")
            if now_ns < end_ns:
                caller.ask(ids)
            else:
                open_calls -= 1
    return waits, statuses, sample


def answer(params: Http, say: Say) -> Answer:
    say("starting the server", 0.0)
    with serving(params.url) as server:
        plans = [_Plan(server.address, params, first) for first in range(params.processes)]
        with fleet(_generate, plans) as generators:
            say("warming up", 0.1)
            generators.wait("warm", within_s=60.0)
            before = server.cost()
            generators.tell("go")
            found = generators.wait(
                "done",
                within_s=params.seconds + 45.0,
                waiting=lambda passed: say("asking", 0.2 + 0.8 * min(1.0, passed / params.seconds)),
            )
            after = server.cost()
    waits = array("q")
    statuses: Counter[int] = Counter()
    for each in found:
        waits.frombytes(each["waits"])
        statuses.update(each["statuses"])
    ascending = sorted(waits)
    took_s = max(each["took_s"] for each in found)
    errors = statuses.total() - statuses[200]
    busy = max(each["cpu_s"] / each["wall_s"] for each in found)
    cost, generators_s = after - before, sum(each["cpu_s"] for each in found)
    warnings = cost.doubts(generators_s)
    if errors:
        kinds = ", ".join(f"{count} × {status or 'no answer'}" for status, count in statuses.items() if status != 200)
        sample = next((each["sample"] for each in found if each["sample"]), "")
        warnings.append(f"{kinds}; the first: {sample}")
    if busy > 0.9:
        warnings.append(f"a generator was busy {busy:.0%} of the time: the figures are its own, not the server's")
    return Answer(
        {
            "requests_per_s": round(statuses[200] / took_s, 1),
            "p99_ms": ms(ascending, 0.99),
            "errors": errors,
            "p50_ms": ms(ascending, 0.5),
            "max_ms": ms(ascending, 1.0),
            **cost.results(generators_s),
            "generator_busy": round(busy, 3),
        },
        {"request": curve(ascending)},
        warnings,
    )


QUESTION = Question(
    name="http",
    asks="Durable commands over plain HTTP: how many a second, and how long does one take?",
    params=Http,
    figures={
        "requests_per_s": Figure("requests answered 200 each second", at_least=15_000),
        "p99_ms": Figure("from sending a request to its whole answer, 99th percentile", at_most=15.0),
        "errors": Figure("requests with another answer, or none", at_most=0),
    },
    answer=answer,
)
