"""Inboxes on the nodes of a real cluster, each wherever its slot is, also while that moves."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from greenroom.config.limits import BusConfig
from greenroom.transports.bus.carrier_redis import RedisCarrier
from greenroom.transports.bus.redis.address import target_of
from tests.transports.bus.ends import ANN, BEN, two_ends
from tests.transports.bus.valkey import CLUSTER, Valkey, free_port, inbox

SLOTS = 16384


class Cluster:
    """Three primaries that share the slots."""

    def __init__(self, folder: Path) -> None:
        self.bus_ports = [free_port() for _ in range(3)]
        self.servers = [
            Valkey(
                folder / str(number),
                *("--cluster-enabled", "yes", "--cluster-node-timeout", "2000"),
                *("--cluster-port", str(port), "--cluster-config-file", "nodes.conf"),
            )
            for number, port in enumerate(self.bus_ports)
        ]

    async def start(self) -> None:
        for server in self.servers:
            server.start()
        for number, server in enumerate(self.servers):
            await server.answers()
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            server.tell("CLUSTER", "ADDSLOTSRANGE", first, last)
        for other, port in zip(self.servers[1:], self.bus_ports[1:], strict=True):
            self.servers[0].tell("CLUSTER", "MEET", "127.0.0.1", other.port, port)
        with trio.fail_after(60):
            for server in self.servers:
                while b"cluster_state:ok" not in server.tell("CLUSTER", "INFO"):  # noqa: ASYNC110
                    await trio.sleep(0.1)

    def identity(self, server: Valkey) -> str:
        identity: bytes = server.tell("CLUSTER", "MYID")
        return identity.decode()

    def home(self, key: str) -> Valkey:
        slot: int = self.servers[0].tell("CLUSTER", "KEYSLOT", key)
        return self.servers[slot * 3 // SLOTS]

    @property
    def url(self) -> str:
        return f"redis://{','.join(f'127.0.0.1:{server.port}' for server in self.servers)}"

    def carrier(self, node: int) -> RedisCarrier:
        return RedisCarrier(target_of(self.url), CLUSTER, node)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    servers = Cluster(tmp_path)
    try:
        await servers.start()
        yield servers
    finally:
        for server in servers.servers:
            server.kill()


PATIENT = BusConfig(silent_s=60.0, absent_s=60.0)


async def test_inboxes_are_found_wherever_their_slots_are(cluster: Cluster) -> None:
    nodes = [0x100 + number for number in range(12)]
    assert len({cluster.home(inbox(node)).port for node in nodes}) == 3
    entries = [(node, b"%d to %d" % (number, node)) for number in range(5) for node in nodes]
    sender = cluster.carrier(ANN)
    await sender.append(entries)
    for node in nodes:
        reader = cluster.carrier(node)
        assert await reader.read() == [raw for to, raw in entries if to == node]
        await reader.aclose()
    await sender.aclose()


async def test_links_go_on_while_a_slot_moves(cluster: Cluster) -> None:
    key = inbox(BEN)
    source = cluster.home(key)
    target = next(server for server in cluster.servers if server is not source)
    slot = source.tell("CLUSTER", "KEYSLOT", key)
    frames = [b"%d" % number for number in range(400)]

    async with two_ends(cluster.carrier, PATIENT) as (ann, ben):

        async def send() -> None:
            for frame in frames:
                ann.links.send(BEN, frame)
                ben.links.send(ANN, frame)
                await trio.sleep(0.005)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await ben.until(lambda: len(ben.frames) > 50)
            moving = ("CLUSTER", "SETSLOT", slot)
            target.tell(*moving, "IMPORTING", cluster.identity(source))
            source.tell(*moving, "MIGRATING", cluster.identity(target))
            await ben.until(lambda: len(ben.frames) > 100)
            source.tell("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
            await ben.until(lambda: len(ben.frames) > 150)
            for server in (target, source):
                server.tell(*moving, "NODE", cluster.identity(target))
        await ben.hears(*frames)
        await ann.hears(*frames)
        assert not ann.partings + ben.partings
    assert target.client.exists(key)


async def test_links_go_on_when_a_node_of_the_cluster_is_restarted(cluster: Cluster) -> None:
    async with two_ends(cluster.carrier, PATIENT) as (ann, ben):
        ann.links.send(BEN, b"before")
        await ben.hears(b"before")
        home = cluster.home(inbox(BEN))
        home.kill()
        ann.links.send(BEN, b"meanwhile")
        home.start()
        await ben.hears(b"before", b"meanwhile", within_s=60)
        assert not ann.partings + ben.partings
