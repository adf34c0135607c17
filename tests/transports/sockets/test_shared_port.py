"""A port that several share: connections go to those that listen, and nobody else comes to the port."""

import socket

import pytest

from greenroom.transports.sockets.gate import PortTaken, listen
from greenroom.transports.sockets.shared_port import SharedPort

HOST = "127.0.0.1"


def come(port: int, times: int) -> list[socket.socket]:
    return [socket.create_connection((HOST, port), timeout=5.0) for _ in range(times)]


def let_in(listener: socket.socket) -> int:
    """How many wait there; they are let in, and closed."""
    for number in range(1_000):
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return number
    raise AssertionError("there is no end to them")


def refused(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=5.0)


def test_connections_go_to_those_that_listen_and_are_spread_over_them() -> None:
    with SharedPort(HOST, 0) as shared, shared.bound() as first, shared.bound() as second:
        assert shared.port == first.getsockname()[1] == second.getsockname()[1] != 0
        refused(shared.port)
        first.listen(512)
        came = come(shared.port, 40)
        assert let_in(first) == 40
        second.listen(512)
        came += come(shared.port, 400)
        parts = (let_in(first), let_in(second))
        assert sum(parts) == 400 and min(parts) > 140, "an equal part would be 200, and 140 is six deviations from it"
        first.close()
        came += come(shared.port, 40)
        assert let_in(second) == 40
        second.close()
        refused(shared.port)
        with shared.bound() as third:
            third.listen(512)
            came += come(shared.port, 40)
            assert let_in(third) == 40
        for sock in came:
            sock.close()
    listen(HOST, shared.port, backlog=1).close()  # free again, with connections of before still in TIME_WAIT


@pytest.mark.parametrize("listeners", [0, 2])
def test_nobody_else_comes_to_it_whether_or_not_somebody_listens(listeners: int) -> None:
    with SharedPort(HOST, 0) as shared:
        bound = [shared.bound() for _ in range(listeners)]
        for sock in bound:
            sock.listen(1)
        with pytest.raises(PortTaken, match=str(shared.port)):
            listen(HOST, shared.port, backlog=1)
        with pytest.raises(PortTaken, match=str(shared.port)), SharedPort(HOST, shared.port):
            pass
        with socket.socket() as careless:  # who shares with everybody
            careless.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                careless.bind((HOST, shared.port))
                careless.listen()
        for sock in bound:
            sock.close()


def test_it_is_not_taken_from_who_listens_alone() -> None:
    with listen(HOST, 0, backlog=1) as alone:
        port = alone.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)), SharedPort(HOST, port):
            pass


def test_over_ipv6() -> None:
    with SharedPort("::1", 0) as shared, shared.bound() as one:
        one.listen(1)
        socket.create_connection(("::1", shared.port), timeout=5.0).close()
