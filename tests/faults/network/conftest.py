"""Three servers, Postgres and Valkey, each on a host of its own."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from greenroom.store.ownership.sharding import shard_of
from tests.e2e.conftest import need
from tests.e2e.server import Server, wait_until
from tests.faults.network.lab import Lab, missing, why_not
from tests.faults.network.stores import NetworkServers
from tests.faults.network.traffic import Node

LEASE_S = 3.0
SHARDS = 64
NAMES = ("one", "two", "three")
SETTLE_S = 90.0


class Site:
    """Who is where."""

    def __init__(self, lab: Lab, stores: NetworkServers) -> None:
        self.lab = lab
        self.stores = stores
        self.nodes = [
            Node(
                lab[name],
                Server(
                    GREENROOM_DATABASE_URL=stores.network_database_url,
                    GREENROOM_REDIS_URL=stores.network_redis_url,
                    GREENROOM_NODES="0",
                    GREENROOM_SHARDS=str(SHARDS),
                    GREENROOM_LEASE_S=f"{LEASE_S:g}",
                ),
            )
            for name in NAMES
        ]

    def start(self, *nodes: Node) -> None:
        """All of them, or these, at once; returns when each is ready and has its part."""
        chosen = nodes or tuple(self.nodes)
        seen = [node.server.log_bytes() for node in chosen]
        for node in chosen:
            with node.host.inside():
                node.server.launch()
        for node, since in zip(chosen, seen, strict=True):
            node.server.until_ready(since)
        wait_until(lambda: self.is_settled, "the shards to settle", within_s=SETTLE_S)

    @property
    def is_settled(self) -> bool:
        """Does each of the nodes own something, and nobody else?"""
        return set(self.owners()) == {self.incarnation(node) for node in self.nodes}

    def incarnation(self, node: Node) -> int:
        with node.host.inside():
            return int(node.server.request("GET", "/health").body["node"], 16)

    def owners(self) -> list[int | None]:
        """By shard."""
        return [row["owner"] for row in self.fetch("SELECT owner FROM shards ORDER BY shard")]

    def alive(self) -> set[int]:
        """Nodes that nobody has declared dead."""
        return {row["incarnation"] for row in self.fetch("SELECT incarnation FROM nodes WHERE state <> 'dead'")}

    def leases(self) -> dict[int, float]:
        """Until when, Unix s by Postgres's clock, of those who are alive."""
        found = self.fetch(
            "SELECT incarnation, extract(epoch FROM lease_until) AS until FROM nodes WHERE state <> 'dead'"
        )
        return {row["incarnation"]: float(row["until"]) for row in found}

    def has_run_out(self, *until_s: float) -> bool:
        """Have these leases? Postgres goes by this machine's clock, also while it is away."""
        return time.time() > max(until_s)

    def are_newer(self, leases: Mapping[int, float]) -> bool:
        """Has everybody who is alive a later one?"""
        return all(until_s > leases.get(node, 0.0) for node, until_s in self.leases().items())

    def by_rooms(self, rooms: list[str]) -> list[Node]:
        """The nodes, who owns most of these first."""
        owners = self.owners()
        homes = Counter(owners[shard_of(room, SHARDS)] for room in rooms)
        return sorted(self.nodes, key=lambda node: -homes[self.incarnation(node)])

    def restore(self) -> None:
        """Nothing is lost any more, everybody goes on, and whoever has ended is started again."""
        self.lab.heal()
        for node in self.nodes:
            if node.server.running:
                os.kill(node.server.pid, signal.SIGCONT)
        gone = [node for node in self.nodes if not node.server.running]
        if gone:
            self.start(*gone)

    def two_writers(self) -> list[str]:
        """Entities in whose journals an earlier owner has written after a later one."""
        return [
            row["entity"]
            for row in self.fetch(
                """
                SELECT DISTINCT entity
                FROM (
                    SELECT id, fence < lag(fence) OVER (PARTITION BY id ORDER BY "offset") AS is_late FROM journal
                ) one
                JOIN heads USING (id)
                WHERE is_late
                """
            )
        ]

    def fetch(self, sql: str) -> list[asyncpg.Record]:
        """From Postgres, past the network."""

        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.stores.database_url, timeout=10)
            try:
                rows: list[asyncpg.Record] = await connection.fetch(sql)
                return rows
            finally:
                await connection.close()

        return asyncio.run(ask())

    def stored(self, rooms: list[str]) -> dict[str, list[tuple[int, str]]]:
        """Of each room offset and text of all events; "" where one is no message. As a node has it."""
        node = self.nodes[0]
        with node.host.inside():
            return {
                room: [(one["offset"], one["data"].get("text", "")) for one in node.server.history(room)]
                for room in rooms
            }


@pytest.fixture(scope="module")
def _site() -> Iterator[Site]:
    need(f"{' and '.join(missing())} (Debian: iproute2, util-linux)", not missing())
    if reason := why_not():  # as in a container without CAP_NET_ADMIN: nothing can be installed that would help
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="greenroom-network-"))
    folder.chmod(0o711)  # as root: for the account that Postgres runs as
    with Lab("postgres", "valkey", *NAMES) as lab:
        stores = NetworkServers(folder / "stores", postgres=lab["postgres"], valkey=lab["valkey"])
        stores.start()
        site = Site(lab, stores)
        try:
            site.start()
            yield site
        finally:
            lab.heal()
            for node in site.nodes:
                node.server.remove()
            stores.stop()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def site(_site: Site) -> Iterator[Site]:
    """With all that there is in good order before a test, and after it."""
    yield _site
    for node in _site.nodes:
        print(node.host.name, node.server.log()[-6_000:])  # pytest shows it when the test has failed
    _site.restore()
