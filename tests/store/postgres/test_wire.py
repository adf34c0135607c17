import socket

import pytest
import trio

from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.wire import open_wire, session
from tests.store.postgres.peers.silent_proxy import silent_proxy


async def test_its_socket_asks_whether_the_peer_is_there(database_url: str) -> None:
    """Pins the private attribute of asyncpg's that leads to the socket."""
    async with silent_proxy(database_url) as proxy, Bridge() as bridge:

        async def options() -> list[int]:
            wire = await open_wire(proxy.url, silence_s=4.0, settings=session("test", 10.0))
            assert await wire.fetchval("SHOW statement_timeout") == "9s"
            sock = wire.session._transport.get_extra_info("socket")  # type: ignore[attr-defined]
            found = [sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"):
                found.append(sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)))
            await wire.close()
            return found

        assert await bridge.run(options) == [1, 2, 1, 3, 4000]


async def test_a_socket_that_can_not_be_told_so_is_closed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has the wire then, so nobody else would close it."""

    def fails(sock: socket.socket, silence_s: float) -> None:
        raise OSError("no such option")

    monkeypatch.setattr("greenroom.store.postgres.wire.keep_alive", fails)
    async with silent_proxy(database_url) as proxy, Bridge() as bridge:
        with pytest.raises(OSError, match="no such option"):
            await bridge.run(lambda: open_wire(proxy.url, silence_s=4.0))
        with trio.fail_after(5):
            await proxy.ended(0)
