"""A wire that takes its time: what is said to a Unix socket, and what it answers, arrive so much later."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from bench.load.generators import Fleet, Link, fleet

START_S = 10.0
CHUNK = 1 << 18


@dataclass
class _Plan:
    path: str  # of the Unix socket
    one_way_s: float


class Distance:
    """`port`: of the loopback interface, behind which the socket is."""

    def __init__(self, port: int, wires: Fleet) -> None:
        self.port = port
        self._wires = wires

    def become(self, round_trip_s: float) -> None:
        """While nothing is on its way: it would be overtaken."""
        self._wires.tell("become", round_trip_s / 2)


@contextmanager
def distant(path: str, round_trip_s: float) -> Iterator[Distance]:
    """The socket at `path`, that far away, in a process of its own."""
    with fleet(_carry, [_Plan(path, round_trip_s / 2)]) as wires:
        (port,) = wires.wait("listening", within_s=START_S)
        yield Distance(port, wires)


def _carry(link: Link, plan: _Plan) -> None:
    asyncio.run(_serve(link, plan))


async def _serve(link: Link, plan: _Plan) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there_in, there_out = await asyncio.open_unix_connection(plan.path)
        with suppress(asyncio.CancelledError):  # the bench has ended before who speaks over it
            await asyncio.gather(_pass(reader, there_out, plan), _pass(there_in, writer, plan))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    link.say("listening", server.sockets[0].getsockname()[1])
    await asyncio.to_thread(_until_told, link, plan)
    server.close()


def _until_told(link: Link, plan: _Plan) -> None:
    """Until the bench is gone, or has had enough."""
    try:
        while True:
            plan.one_way_s = link.wait("become")
    except EOFError:
        return


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, plan: _Plan) -> None:
    """Whatever comes, so much later; any number of pieces may be on the way."""
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(CHUNK):
            loop.call_later(plan.one_way_s, writer.write, data)
    except ConnectionError:
        pass
    loop.call_later(plan.one_way_s, writer.close)
