"""The world: nodes, database, wires and clients under one seed, and what goes wrong among them.

In a world of one node at most two live at once, and the older of them is a zombie. Both own everything, so they fight
for entities until the zombie is gone, and only the fence keeps the journal right. In one of several the nodes share the
shards by the referee's rows, and a zombie is who has lost its own to others and does not know it yet.

No message goes from node to node yet: a client that is told `not_owner` asks the owner, and what entities tell one
another waits until they are on one node.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import trio
from msgspec import Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Message
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.supervisors.simulation.checker import Audit, Checker
from greenroom.supervisors.simulation.client import SimulatedClient, Work
from greenroom.supervisors.simulation.database import ALL_GUARDS, Database, Guards
from greenroom.supervisors.simulation.faults import Faults
from greenroom.supervisors.simulation.node import SimulatedNode
from greenroom.supervisors.simulation.schedule import NODE, Schedule
from greenroom.supervisors.simulation.timeline import Timeline
from greenroom.supervisors.simulation.wire import Connection

SETTLE_S = 60.0  # once faults have stopped, everything must be resolved within so long
CHECK_S = 5.0  # between two looks at everything
DRAIN_S = 5.0


class Scenario(Struct, kw_only=True):
    """Who lives in a world and what they do."""

    kinds: tuple[type[Actor[object]], ...]
    channels: tuple[str, ...]  # entities that clients subscribe to, each to some
    work: Callable[[Random, str], Work]  # the next command of a user
    records: Callable[[Message], bool] = lambda message: True  # does each success of this command record an event?
    mark: Callable[[Any], str | None] = lambda event: None  # what of an event (as JSON) happens once and no more
    invariant: Callable[[str, Any], None] | None = None  # raises AssertionError when an entity's state is wrong
    # What is still to be done, or was done wrong, once all is calm; given the states of all durable entities by name.
    unfinished: Callable[[dict[str, Any]], list[str]] = lambda states: []
    audit: Callable[[], Audit] | None = None  # made anew for each world
    clients: int = 4
    pace_s: float = 3.0  # mean time between two commands of a client


class World:
    """One simulated world: a database, its nodes, clients and faults, all under one seed."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        schedule: Schedule,
        faults: Faults,
        guards: Guards = ALL_GUARDS,
        seconds: float,
        nodes: int = 1,
    ) -> None:
        """`nodes`: how many share the database's shards; 1: one, which owns all."""
        draw = Random(schedule.seed)
        self.timeline = Timeline()
        self.kinds = Kinds(scenario.kinds)
        self.scope = trio.CancelScope()
        self.checker = Checker(
            self.kinds,
            self.timeline,
            mark=scenario.mark,
            invariant=scenario.invariant,
            audit=scenario.audit() if scenario.audit is not None else None,
            stop=self._stop_all,
        )
        self.checker.watch_cells = self._check
        schedule.stuck = lambda: self.checker.violated("time goes on")
        self.faults = faults
        self.seconds = seconds
        self.nodes_wanted = nodes
        self._nodes_kept = nodes
        self._proven = Random(f"proven {schedule.seed}").random() < faults.proven
        self.database = Database(
            draw=Random(draw.getrandbits(64)),
            faults=faults,
            guards=guards,
            witness=self.checker,
            timeline=self.timeline,
        )
        self.letters = MemoryDeadLetters(self.database.rows.letters)
        self.nodes: list[SimulatedNode] = []  # alive or dying, oldest first
        self.nodes_started = 0
        self._unfinished = scenario.unfinished
        self._schedule = schedule
        self._draw = Random(draw.getrandbits(64))
        self._wires = Random(draw.getrandbits(64))
        self._connections: list[Connection] = []
        self._connections_made = 0
        self._nursery: trio.Nursery | None = None
        self._changing = False  # a node is being replaced
        self._haunted: SimulatedNode | None = None  # the newest that has lived beside a zombie
        self.clients = [
            SimulatedClient(
                f"user{number}",
                channels=tuple(
                    draw.sample(scenario.channels, k=draw.randint(1, len(scenario.channels)))
                    if scenario.channels
                    else ()
                ),
                kinds=self.kinds,
                work=scenario.work,
                records=scenario.records,
                checker=self.checker,
                timeline=self.timeline,
                faults=faults,
                draw=Random(draw.getrandbits(64)),
                dial=self._dial,
                pace_s=scenario.pace_s,
            )
            for number in range(1, scenario.clients + 1)
        ]

    def _stop_all(self) -> None:
        for node in self.nodes:
            self._resume(node)  # held out, it could not end
        self.scope.cancel()

    async def run(self) -> None:
        """Everything, to the end or to the first violation."""
        with self.scope:
            async with trio.open_nursery() as nursery:  # owner: this call; it ends with the world
                self._nursery = nursery
                await nursery.start(self.database.run)
                for _ in range(self.nodes_wanted):
                    await self._start_node()
                for client in self.clients:
                    nursery.start_soon(client.run, name=client.user)
                nursery.start_soon(self._look)
                if self.nodes_wanted > 1:
                    nursery.start_soon(self._replace)
                with trio.CancelScope() as trouble:
                    async with trio.open_nursery() as troubles:  # owner: this block, for as long as there is trouble
                        for make in (self._crash, self._stop, self._stall, self._shake_database):
                            troubles.start_soon(make)
                        if self.nodes_wanted == 1:
                            troubles.start_soon(self._haunt)
                        else:
                            troubles.start_soon(self._cut_off)
                        troubles.start_soon(self._fail_over)
                        troubles.start_soon(self._cut_wires)
                        await trio.sleep(self.seconds)
                        trouble.cancel()
                await self._settle()
                await self._end()
                nursery.cancel_scope.cancel()

    # Nodes.

    async def _start_node(self) -> SimulatedNode:
        assert self._nursery is not None
        self.nodes_started += 1
        node = SimulatedNode(
            f"node{self.nodes_started}",
            kinds=self.kinds,
            database=self.database,
            letters=self.letters,
            checker=self.checker,
            timeline=self.timeline,
            draw=Random(self._draw.getrandbits(64)),
            skew_s=self.faults.skew_s,
            shares=self.nodes_wanted > 1,
            ended=self._has_ended,
        )
        self.nodes.append(node)
        await self._nursery.start(node.run, name=node.name)
        return node

    def _has_ended(self, name: str) -> bool:
        """Is it proven that the process of this name runs no more?"""
        return self._proven and all(node.name != name or node.ended.is_set() for node in self.nodes)

    async def _bury(self, node: SimulatedNode) -> None:
        """Kill a node if it still lives, and see that nothing of it is left."""
        self._resume(node)
        node.kill()
        await node.ended.wait()
        await trio.testing.wait_all_tasks_blocked()
        left = [task.name for task in _tasks() if task.context.get(NODE, "") == node.name]
        if left:
            self.checker.violated("no task outlives its owner", node.name, left)
        if node in self.nodes:
            self.nodes.remove(node)

    def _pause(self, node: SimulatedNode) -> None:
        self.timeline.note("stalled", who=node.name)
        node.stalled = True
        self._schedule.stall(node.name)

    def _resume(self, node: SimulatedNode) -> None:
        if node.stalled:
            self.timeline.note("goes on", who=node.name)
            node.stalled = False
            self._schedule.resume(node.name)

    def _victim(self) -> SimulatedNode | None:
        """Who is next to have trouble: of several one by chance, and of a node and its zombie the newer."""
        if self.nodes_wanted == 1:
            node = self.nodes[-1] if self.nodes else None
            return node if node is not None and not node.dead else None
        alive = [node for node in self.nodes if not node.dead]
        return self._draw.choice(alive) if alive else None

    def _dial(self, client: str, entity: str | None) -> Connection | None:
        """To any node; to the one that owns `entity`, where that is asked for."""
        listening = [node for node in self.nodes if node.listening and not node.dead]
        if not listening:
            return None
        node = self._wires.choice(listening)
        if entity is not None:
            owner = self.database.owner(entity)
            node = next((one for one in listening if one.incarnation == owner), node)
        self._connections_made += 1
        connection = Connection(self._wires, self.faults.latency_s, self._connections_made)
        self._connections = [one for one in self._connections if not one.broken]
        self._connections.append(connection)
        self.timeline.note("connects", node.name, connection.number, who=client)
        node.accept(connection)
        return connection

    # What goes wrong.

    async def _wait(self, every_s: float) -> None:
        if every_s <= 0:
            await trio.sleep_forever()
        await trio.sleep(self._draw.expovariate(1.0 / every_s))

    async def _crash(self) -> None:
        while True:
            await self._wait(self.faults.crash_every_s)
            node = self._victim()
            if node is None or self._changing:
                continue
            self._changing = True
            if self._draw.random() < 0.3:
                node.kill()
            else:
                node.kill_after(self._draw.randint(1, 30))
            with trio.move_on_after(20.0):
                await node.ended.wait()
            await self._bury(node)
            await trio.sleep(self._draw.uniform(0.0, self.faults.down_s))
            await self._start_node()
            self._changing = False

    async def _stop(self) -> None:
        while True:
            await self._wait(self.faults.stop_every_s)
            node = self._victim()
            if node is None or self._changing:
                continue
            self._changing = True
            with trio.move_on_after(DRAIN_S + 30.0):
                await node.drain(DRAIN_S)
            await self._bury(node)
            await self._start_node()
            self._changing = False

    async def _stall(self) -> None:
        while True:
            await self._wait(self.faults.stall_every_s)
            node = self._victim()
            if node is None or node.stalled or self._changing:
                continue
            self._pause(node)
            await trio.sleep(self._draw.uniform(0.0, self.faults.stall_s))
            self._resume(node)

    async def _haunt(self) -> None:
        while True:
            await self._wait(self.faults.zombie_every_s)
            node = self._victim()
            if node is None or node.stalled or self._changing:
                continue
            self._changing = True
            if self._draw.random() < 0.7:
                self._pause(node)
                await trio.sleep(self._draw.uniform(0.0, self.faults.down_s))
            self._haunted = await self._start_node()
            await trio.sleep(self._draw.uniform(0.0, self.faults.stall_s))
            self._resume(node)
            await trio.sleep(self._draw.uniform(0.0, self.faults.zombie_s))
            await self._bury(node)
            self._changing = False

    async def _cut_off(self) -> None:
        while True:
            await self._wait(self.faults.cut_every_s)
            node = self._victim()
            if node is None or node.is_cut:
                continue
            self.timeline.note("cut off", who=node.name)
            node.is_cut = True
            await trio.sleep(self._draw.uniform(0.0, self.faults.cut_s))
            node.is_cut = False
            self.timeline.note("reaches the database again", who=node.name)

    async def _replace(self) -> None:
        """What supervises the processes: one that has ended by itself is started anew."""
        while True:
            await trio.sleep(1.0)
            if self._changing:
                continue
            for node in self.nodes[:]:
                if node.ended.is_set():
                    await self._bury(node)
            for _ in range(self._nodes_kept - len(self.nodes)):
                await trio.sleep(self._draw.uniform(0.0, self.faults.down_s))
                await self._start_node()

    async def _shake_database(self) -> None:
        while True:
            await self._wait(self.faults.restart_every_s)
            await self.database.restart(self._draw.uniform(0.1, 5.0))

    async def _fail_over(self) -> None:
        while True:
            await self._wait(self.faults.failover_every_s)
            if self._draw.random() < self.faults.lost_tail:
                self.database.fall_behind()
                await trio.sleep(self._draw.uniform(0.0, self.faults.lag_s))
                self.database.promote()
            else:
                self.database.fail_over()
            await self.database.restart(self._draw.uniform(0.1, 2.0))

    async def _cut_wires(self) -> None:
        every_s = self.faults.reset_every_s
        while True:
            await self._wait(every_s / len(self.clients))
            alive = [one for one in self._connections if not one.broken]
            if alive:
                connection = self._draw.choice(alive)
                self.timeline.note("wire is cut", connection.number, who="world")
                connection.sever()

    # What must be true.

    def _check(self, entity: str | None = None) -> None:
        for node in self.nodes:
            node.check(entity)

    async def _look(self) -> None:
        while True:
            await trio.sleep(CHECK_S)
            self._check()

    async def _settle(self) -> None:
        """No more trouble: one node, a database that answers, and clients that only finish."""
        self.timeline.note("calm", who="world")
        self.database.calm()
        for node in self.nodes:
            self._resume(node)
            node.is_cut = False
        staying = [node for node in self.nodes if node.listening and not node.dead]
        if self.nodes_wanted > 1:  # it has to take over from the others
            self._nodes_kept = 1
            staying = staying[:1]
        elif len(self.nodes) > 1 or (self._haunted is not None and self._haunted in self.nodes):
            # Of an entity that nobody speaks to, a zombie's successor does not hear what the zombie wrote: where shards
            # have no owners, the two of them can only be replaced.
            staying = []
        for node in self.nodes[:]:
            if node not in staying:
                await self._bury(node)
        if not self.nodes:
            await self._start_node()
        else:
            self.nodes[-1].spare()
        for client in self.clients:
            client.calm()
        with trio.move_on_after(SETTLE_S):
            while self._unsettled():  # noqa: ASYNC110 - nobody could say when all of it is
                await trio.sleep(0.5)
            return
        self.checker.violated("calm resolves everything", *self._unsettled())

    def _unsettled(self) -> list[str]:
        left: list[str] = []
        for client in self.clients:
            left += [f"{client.user}: {pending.method} {pending.key} is not answered" for pending in client.pending]
            for channel, position in client.positions.items():
                if position.wanted and not position.live:
                    left.append(f"{client.user} is not subscribed to {channel}")
                elif not position.wanted or not self.checker.is_durable(channel):
                    continue
                elif not self.checker.may_skip_to(channel, position.offset, self.checker.offset(channel)):
                    left.append(f"{client.user} is at {position.offset} of {channel}")
                elif self.checker.epoch(channel) not in ("", position.epoch):
                    left.append(f"{client.user} is at an epoch of {channel} that has ended")
        for node in self.nodes:
            left += node.under_way()
        if self.database.busy:
            left.append("rows are locked")
        for entity, row in self.database.rows.by_entity.items():
            left += [f"{entity}: what it sent at {offset:#x} is not delivered" for offset in row.outbox]
        if self.checker.audit is not None:
            left += self.checker.audit.unsettled()
        streams = self.checker.streams.items()
        states = {entity: one.fold.state for entity, one in streams if one.fold is not None and one.fold.durable}
        return left or self._unfinished(states)

    async def _end(self) -> None:
        """Stop as one should, and look at what is left."""
        self._check()
        node = self.nodes[-1]
        with trio.move_on_after(DRAIN_S * 2) as scope:
            await node.drain(DRAIN_S)
        if scope.cancelled_caught:
            self.checker.violated("a node stops in time", node.name)
        await self._bury(node)
        self.checker.stored(self.database.rows)


def _tasks() -> list[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    found: list[trio.lowlevel.Task] = []
    todo = [root] if root is not None else []
    while todo:
        task = todo.pop()
        found.append(task)
        todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found
