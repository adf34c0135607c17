"""Several nodes under measurement: real `greenroom serve` processes on one Postgres and one Valkey.

The store is the bench's own, so it outlives each node. Which node an entity lives on is read from the referee's rows;
where it is to be follows from the same rows, by the nodes' own rule.
"""

import asyncio
import http.client
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.server import START_S, Server, ServerFailed, free_port, launch, log_end, ready
from greenroom.store.own.processes import end
from greenroom.store.own.servers import OwnServers
from greenroom.store.ownership.sharding import SHARDS, shard_of
from greenroom.supervisors.cluster.placement import Placement

STOP_S = 30.0  # to drain and end
SETTLE_S = 120.0  # a batch of shards each two seconds, and half of all when a second node comes
LOOK_S = 0.5  # between two looks at the rows


@dataclass(slots=True)
class Node:
    """One of them: a folder and a port that stay when its process goes."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    incarnation: int = 0

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)


@dataclass(frozen=True, slots=True)
class Rows:
    """What the referee has in its tables."""

    capacities: dict[int, int]  # of those who are up, by incarnation
    owners: list[int | None]  # by shard

    def settled(self, incarnations: Iterable[int]) -> bool:
        """Are these all who are up, and is every shard where it is to be?"""
        if set(self.capacities) != set(incarnations):
            return False
        placement = Placement(len(self.owners))
        placement.place(self.capacities)
        return placement.desired == self.owners

    def owner(self, entity: str) -> int | None:
        return self.owners[shard_of(entity, len(self.owners))]


class Nodes:
    """For the main thread alone: what it starts ends with the thread."""

    def __init__(self, folder: Path, store: OwnServers, shards: int) -> None:
        self._folder = folder
        self._settings = {
            "GREENROOM_NODES": "0",
            "GREENROOM_SHARDS": str(shards),
            "GREENROOM_DATABASE_URL": store.database_url,
            "GREENROOM_REDIS_URL": store.redis_url,
        }
        self._nodes: list[Node] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [node.address for node in self._nodes]

    def server(self) -> Server:
        """All that run now as one server, whose CPU is theirs together; its address is that of the first."""
        pids = [node.process.pid for node in self._nodes if node.process is not None]
        return Server(self._nodes[0].address, pids[0], self._folder, workers=tuple(pids[1:]))

    # Their lives.

    def add(self) -> None:
        """One more; returns when it is ready. Raises: ServerFailed."""
        folder = self._folder / f"node-{len(self._nodes)}"
        folder.mkdir()
        self._nodes.append(Node(folder, free_port()))
        self.start(len(self._nodes) - 1)

    def start(self, number: int) -> None:
        """That one again, where it was; returns when it is ready. Raises: ServerFailed."""
        node = self._nodes[number]
        process = node.process = launch(node.folder, node.port, self._settings)
        deadline = time.monotonic() + START_S
        while not ready(node.address):
            if process.poll() is not None or time.monotonic() > deadline:
                fate = "ended" if process.poll() is not None else f"was not ready within {START_S:.0f} s"
                raise ServerFailed(f"node {number} {fate}; its log ends:\n{log_end(node.folder)}")
            time.sleep(0.05)
        node.incarnation = _incarnation(node.address)

    def kill(self, number: int) -> None:
        """SIGKILL; returns when its end can be seen."""
        process = self._taken(number)
        process.kill()
        process.wait(5.0)

    def stop(self, number: int) -> None:
        """SIGTERM; returns when it has drained and ended. Raises: ServerFailed."""
        process = self._taken(number)
        process.terminate()
        try:
            status = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._nodes[number].process = process  # for `end`
            status = None
        if status != 0:
            fate = "did not end" if status is None else f"ended with {status}"
            said = log_end(self._nodes[number].folder)
            raise ServerFailed(f"node {number} {fate} after SIGTERM; its log ends:\n{said}")

    def freeze(self, number: int) -> None:
        """SIGSTOP: it does nothing any more, and is no dead process."""
        self._running(number).send_signal(signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        """Have it go on, and find that it was declared dead; returns when it has ended. Raises: ServerFailed."""
        process = self._taken(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._nodes[number].process = process
            raise ServerFailed(f"node {number} goes on {STOP_S:.0f} s after it was thawed") from None

    def end(self) -> None:
        """All of them, at once."""
        for node in self._nodes:
            process, node.process = node.process, None
            if process is not None:
                end(process, ((signal.SIGKILL, 5.0),))  # one that is frozen would not hear another

    def _running(self, number: int) -> "subprocess.Popen[bytes]":
        process = self._nodes[number].process
        assert process is not None, f"node {number} does not run"
        return process

    def _taken(self, number: int) -> "subprocess.Popen[bytes]":
        process = self._running(number)
        self._nodes[number].process = None
        return process

    # Who owns what.

    def homes(self, entities: list[str]) -> list[int | None]:
        """The number of the node that owns each; None: none of these."""
        rows = self.rows()
        numbers = {node.incarnation: number for number, node in enumerate(self._nodes) if node.process is not None}
        return [numbers.get(owner) if (owner := rows.owner(entity)) is not None else None for entity in entities]

    def settle(self) -> None:
        """Return when every shard is where it is to be. Raises: ServerFailed."""
        deadline = time.monotonic() + SETTLE_S
        running = [node.incarnation for node in self._nodes if node.process is not None]
        while not self.rows().settled(running):
            if time.monotonic() > deadline:
                raise ServerFailed(f"shards were still on their way after {SETTLE_S:.0f} s")
            time.sleep(LOOK_S)

    def rows(self) -> Rows:
        return asyncio.run(_rows(self._settings["GREENROOM_DATABASE_URL"]))


@contextmanager
def sharing(count: int, *, shards: int = SHARDS) -> Iterator[Nodes]:
    """A store of its own, and so many nodes that are ready; not settled yet. Raises: ServerFailed."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        folder.chmod(0o711)  # as root: for the account that Postgres runs as
        store = OwnServers(folder / "store")
        store.start()
        nodes = Nodes(folder, store, shards)
        try:
            for _ in range(count):
                nodes.add()
            yield nodes
        finally:
            nodes.end()
            store.stop()


def _incarnation(address: tuple[str, int]) -> int:
    wire = http.client.HTTPConnection(*address, timeout=10.0)
    try:
        wire.request("GET", "/health")
        return int(json.loads(wire.getresponse().read())["node"], 16)
    finally:
        wire.close()


async def _rows(database_url: str) -> Rows:
    connection = await asyncpg.connect(database_url, timeout=10.0)
    try:
        # One snapshot for both, or a node that ends in between would look as if it owned something.
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            members = await connection.fetch("SELECT incarnation, capacity FROM nodes WHERE state = 'up'")
            shards = await connection.fetch("SELECT owner FROM shards ORDER BY shard")
        return Rows({row["incarnation"]: row["capacity"] for row in members}, [row["owner"] for row in shards])
    finally:
        await connection.close()
