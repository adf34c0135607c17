"""Adds jobs: one at a time, many at once over one connection, or by the thousand."""

import http.client
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.load import frames
from bench.load.generators import Link

WARM_S = 0.2  # before it counts
FRAME_S = 30.0  # that an answer may take


@dataclass(frozen=True)
class Adding:
    """What is to be added, and where."""

    address: tuple[str, int]
    token: str
    queue: str
    job: str
    in_flight: int  # commands on their way over one WebSocket, when they are many
    keys: int = 0  # of the jobs that are added in bulk; 0: they have `key`
    key: str = ""  # "": none


class _Socket:
    """A WebSocket with a window of commands on their way."""

    def __init__(self, plan: Adding) -> None:
        self._socket = socket.create_connection(plan.address, timeout=FRAME_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(frames.upgrade("bench"))
        self._rest = b""
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._socket.recv(65_536)
        self._rest = self._rest.partition(b"\r\n\r\n")[2]
        hello = {"id": 1, "connect": {"token": plan.token}}
        self._socket.sendall(frames.text(json.dumps(hello).encode()))
        while not self._lines():
            pass

    def _lines(self) -> list[bytes]:
        """What has come next, without pings."""
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        payloads, self._rest, closed = frames.split(self._rest + data)
        if closed is not None:
            raise closed
        lines = [line for payload in payloads for line in payload.split(b"\n")]
        for line in lines:
            if line == frames.PING:
                self._socket.sendall(frames.text(frames.PING))
        return [line for line in lines if line != frames.PING and not line.startswith(b'{"push"')]

    def run(self, command: Callable[[int], bytes], in_flight: int, seconds: float) -> tuple[int, float]:
        """Commands that were answered, and the seconds that they took. Raises: AssertionError for a refusal."""
        begun = time.perf_counter()
        until = begun + seconds
        number, open_ = 2, 0
        answered = 0
        free = in_flight
        while True:
            if free and time.perf_counter() < until:
                self._socket.sendall(frames.text(b"\n".join(command(number + one) for one in range(free))))
                number += free
                open_ += free
            if not open_:
                return answered, time.perf_counter() - begun
            lines = self._lines()
            for line in lines:
                assert b'"error"' not in line, line[:300]
            free = len(lines)
            open_ -= free
            answered += free


def add(link: Link, _: None) -> None:
    """A generator: hears how jobs are to be added, how many or for how long, and by which plan; says how many were in
    which time, and how many in all."""
    link.say("ready")
    while True:
        how, amount, plan = link.wait("add")
        if how == "bulk":
            count, seconds = _bulk(plan, int(amount))
            link.say("added", (count, seconds, count))
        else:
            link.say("added", _one_by_one(plan, amount, plan.in_flight if how == "parallel" else 1))


def _one_by_one(plan: Adding, seconds: float, in_flight: int) -> tuple[int, float, int]:
    channel = f"queue:{plan.queue}/add"

    def command(number: int) -> bytes:
        return (
            f'{{"id":{number},"rpc":{{"method":"{channel}","data":{{"job":"{plan.job}","arguments":'
            f'{{"number":{number}}}}}}}}}'
        ).encode()

    sock = _Socket(plan)
    warm, _ = sock.run(command, 1, WARM_S)
    count, took_s = sock.run(command, in_flight, seconds)
    return count, took_s, warm + count


def _bulk(plan: Adding, jobs: int) -> tuple[int, float]:
    connection = http.client.HTTPConnection(*plan.address, timeout=FRAME_S)
    names = [f"k{number}" for number in range(plan.keys)] or [plan.key]
    keyed = [{"key": names[number % len(names)]} if names[0] else {} for number in range(1_000)]
    many = [{"job": plan.job, "arguments": {"number": number, **key}} for number, key in enumerate(keyed)]
    body = json.dumps({"jobs": many}, separators=(",", ":")).encode()
    headers = {"Authorization": f"Bearer {plan.token}", "Content-Type": "application/json"}
    begun = time.perf_counter()
    for _ in range(jobs // 1_000):
        connection.request("POST", f"/api/queue/{plan.queue}/add_many", body, headers)
        response = connection.getresponse()
        said = response.read()
        assert response.status == 200, said[:300]
    return jobs // 1_000 * 1_000, time.perf_counter() - begun
