"""Who is the primary now: real sentinels watch over a real pair."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from greenroom.config.limits import BusConfig
from greenroom.transports.bus.carrier import CarrierLost
from greenroom.transports.bus.carrier_redis import RedisCarrier
from greenroom.transports.bus.redis.address import Address, RedisTarget, target_of
from greenroom.transports.bus.redis.connection import packed
from greenroom.transports.bus.redis.dialing import Dialer
from tests.transports.bus.ends import ANN, BEN, two_ends
from tests.transports.bus.valkey import CLUSTER, Valkey, free_port


class Watched:
    """A primary, a replica of it, and a sentinel that watches over both."""

    def __init__(self, folder: Path) -> None:
        self.primary = Valkey(folder / "primary", "--repl-diskless-sync-delay", "0")
        self.replica = Valkey(
            folder / "replica", "--replicaof", f"127.0.0.1 {self.primary.port}", "--repl-diskless-sync-delay", "0"
        )
        rules = (
            f"sentinel monitor main 127.0.0.1 {self.primary.port} 1\n"
            "sentinel down-after-milliseconds main 500\n"
            "sentinel failover-timeout main 5000\n"
        )
        self.sentinel = Valkey(folder / "sentinel", "--sentinel", conf=rules)
        self.servers = (self.primary, self.replica, self.sentinel)

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/main"  # the first is nobody

    async def replica_follows(self) -> None:
        with trio.fail_after(30):
            while True:
                known = self.sentinel.tell("SENTINEL", "REPLICAS", "main")
                info = self.replica.client.info("replication")
                assert isinstance(info, dict)
                if known and info["master_link_status"] == "up":
                    return
                await trio.sleep(0.1)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    servers = Watched(tmp_path)
    try:
        for server in servers.servers:
            server.start()
            await server.answers()
        await servers.replica_follows()
        yield servers
    finally:
        for server in servers.servers:
            server.kill()


async def test_the_primary_is_whom_the_sentinels_name(watched: Watched) -> None:
    connection = await Dialer(target_of(watched.url)).open()
    assert connection.name == f"127.0.0.1:{watched.primary.port}"
    await connection.aclose()


async def test_links_go_on_with_the_next_primary(watched: Watched) -> None:
    def carrier(node: int) -> RedisCarrier:
        return RedisCarrier(target_of(watched.url), CLUSTER, node)

    async with two_ends(carrier, BusConfig(silent_s=60.0, absent_s=60.0)) as (ann, ben):
        ann.links.send(BEN, b"before")
        await ben.hears(b"before")
        watched.primary.kill()
        ann.links.send(BEN, b"meanwhile")
        ben.links.send(ANN, b"meanwhile")
        await ben.hears(b"before", b"meanwhile", within_s=60)
        await ann.hears(b"meanwhile", within_s=60)
        assert not ann.partings + ben.partings
    length = watched.replica.client.exists(f"greenroom:{CLUSTER}:in:{BEN:016x}")
    assert length == 1, "the one that was a replica carries them now"


async def test_what_the_sentinels_do_not_know_is_away(watched: Watched) -> None:
    with pytest.raises(CarrierLost, match="knows of no other") as caught:
        await Dialer(target_of(f"redis+sentinel://127.0.0.1:{watched.sentinel.port}/other")).open()
    assert caught.value.trouble == "away"


async def test_a_replica_that_a_sentinel_calls_the_primary_is_not_believed(tmp_path: Path) -> None:
    replica = Valkey(tmp_path / "replica", "--replicaof", "127.0.0.1 1").start()

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(1000)
            port = str(replica.port)
            await stream.send_all(f"*2\r\n$9\r\n127.0.0.1\r\n${len(port)}\r\n{port}\r\n".encode())

    try:
        await replica.answers()
        async with trio.open_nursery() as nursery:
            (listening,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, answer, [listening])
            with pytest.raises(CarrierLost) as caught:
                await Dialer(target_of(f"redis+sentinel://127.0.0.1:{listening.socket.getsockname()[1]}/main")).open()
            assert caught.value.trouble == "read_only"
            nursery.cancel_scope.cancel()
    finally:
        replica.kill()


async def test_no_sentinel_is_away() -> None:
    with pytest.raises(CarrierLost) as caught:
        await Dialer(target_of(f"redis+sentinel://127.0.0.1:{free_port()}/main")).open()
    assert caught.value.trouble == "away"


async def test_of_several_addresses_one_that_answers_is_enough(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey").start()
    try:
        await server.answers()
        addresses = tuple(Address("127.0.0.1", port) for port in (free_port(), server.port, free_port()))
        for _ in range(5):
            connection = await Dialer(RedisTarget(addresses=addresses, client_name="green")).open()
            assert await connection.call(packed("CLIENT", "GETNAME"), 1, within_s=5) == [b"green"]
            await connection.aclose()
    finally:
        server.kill()


async def test_over_tls(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused, unless the URL says that nobody needs to."""
    made = await trio.run_process(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")],
        capture_stderr=True,
    )  # fmt: skip
    assert made.returncode == 0
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            async with stream:
                while await stream.receive_some(1000):
                    await stream.send_all(b"+PONG\r\n")
        except trio.BrokenResourceError:
            pass  # a client that trusts nobody

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_ssl_over_tcp_listeners(0, server_side, host="127.0.0.1")
        listening = listeners[0].transport_listener
        assert isinstance(listening, trio.SocketListener)
        port = listening.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, answer, listeners)
        for question in (f"?ssl_ca_certs={tmp_path}/cert.pem", "?ssl_cert_reqs=none"):
            connection = await Dialer(target_of(f"rediss://127.0.0.1:{port}{question}")).open()
            assert await connection.call(packed("PING"), 1, within_s=5) == [b"PONG"]
            await connection.aclose()
        with pytest.raises(CarrierLost) as caught:
            await Dialer(target_of(f"rediss://127.0.0.1:{port}")).open()
        assert caught.value.trouble == "away"
        assert "certificate" in str(caught.value).lower()
        nursery.cancel_scope.cancel()
