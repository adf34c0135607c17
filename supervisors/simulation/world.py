"""The world: nodes, a database, wires and clients under one seed, and what can be done to them.

In a world of one node at most two live at once, and the older of them is a zombie. Both own everything, so they fight
for entities until the zombie is gone, and only the fence keeps the journal right. In one of several the nodes share the
shards by the referee's rows and speak to one another over Redis, so that clients reach any entity from any of them; a
zombie is who has lost its own to others and does not know it yet.

What happens in it, from its beginning to its end, is in `play.py`.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from random import Random
from typing import Any

import trio
from msgspec import Struct

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.job import Job
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Message
from greenroom.actors.views.installed import Views
from greenroom.actors.views.view import View
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.views.wanted import Wanted
from greenroom.supervisors.simulation.checker import Audit, Checker
from greenroom.supervisors.simulation.client import SimulatedClient, Work
from greenroom.supervisors.simulation.database import ALL_GUARDS, Database, Guards
from greenroom.supervisors.simulation.faults import Faults
from greenroom.supervisors.simulation.jobs.crew import SimulatedCrew
from greenroom.supervisors.simulation.jobs.outside import Outside
from greenroom.supervisors.simulation.network import SimulatedRedis
from greenroom.supervisors.simulation.node import CLIENT, SimulatedNode
from greenroom.supervisors.simulation.schedule import NODE, Schedule
from greenroom.supervisors.simulation.timeline import Timeline
from greenroom.supervisors.simulation.views.kept import Release, release
from greenroom.supervisors.simulation.views.truth import Truth
from greenroom.supervisors.simulation.wire import Connection
from greenroom.supervisors.views.runners import wanted_of

NEWER = 2  # the release from which on nodes have a scenario's `kinds`, where it has `older` ones


class Scenario(Struct, kw_only=True):
    """Who lives in a world and what they do."""

    kinds: tuple[type[Actor[object]], ...]
    older: tuple[type[Actor[object]], ...] = ()  # what they were in the release before, whose nodes come first
    views: tuple[type[View], ...] = ()  # over what they record
    mended: tuple[type[View], ...] = ()  # the same, none of whose folds raises; () where none does
    channels: tuple[str, ...]  # entities that clients subscribe to, each to some
    work: Callable[[Random, str], Work]  # the next command of a user
    records: Callable[[Message], bool] = lambda message: True  # does each success of this command record an event?
    # How far a reply (as JSON) shows its entity's journal to be known; None: not at all. Raises AssertionError for one
    # that is no reply to that command.
    reads: Callable[[Message, Any], int | None] = lambda message, reply: None
    mark: Callable[[Any], str | None] = lambda event: None  # what of an event (as JSON) happens once and no more
    invariant: Callable[[str, Any], None] | None = None  # raises AssertionError when an entity's state is wrong
    # What is still to be done, or was done wrong, once all is calm; given the states of all durable entities by name.
    unfinished: Callable[[dict[str, Any]], list[str]] = lambda states: []
    audit: Callable[[], Audit] | None = None  # made anew for each world
    mend: Callable[[], None] = lambda: None  # once faults have stopped: no view's `fold` raises any more
    clients: int = 4
    pace_s: float = 3.0  # mean time between two commands of a client
    jobs: tuple[type[Job], ...] = ()  # that its queues have, which are among `kinds`
    slots: Mapping[str, int] = {}  # queue -> jobs that each node works on at once, and each crew
    crews: int = 2  # processes that only work, where there are jobs
    near: float = 0.5  # share of them that run on the nodes' host
    # What is done from outside until faults stop, each for itself; and once they have, to let all jobs come to an end.
    operators: Callable[["World"], list[Callable[[], Awaitable[None]]]] = lambda world: []
    tidy: Callable[["World"], Awaitable[None]] | None = None
    untrimmed: tuple[str, ...] = ()  # kinds of which views show what their state knows no more: no event of them goes
    around: Callable[[], AbstractContextManager[None]] = nullcontext  # what a process has to have: keys, say
    settle_s: float = 0.0  # once faults have stopped, everything must be resolved within so long; 0: see play.py


class World:
    """One simulated world: a database, its nodes, clients and faults, all under one seed.

    Whoever makes trouble in it has `nodes`, `database`, `redis` and `draw`, the one source of chance.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        schedule: Schedule,
        faults: Faults,
        guards: Guards = ALL_GUARDS,
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
            stop=self.stop_all,
            leased=nodes > 1,
        )
        self.checker.watch_cells = self.check
        self.checker.watch_history = self._turned_back
        schedule.stuck = lambda: self.checker.violated("time goes on")
        self.faults = faults
        self.nodes_wanted = nodes
        self.proven = Random(f"proven {schedule.seed}").random() < faults.proven  # that a process has ended can be seen
        self.database = Database(
            draw=Random(draw.getrandbits(64)),
            faults=faults,
            guards=guards,
            witness=self.checker,
            timeline=self.timeline,
        )
        self.letters = MemoryDeadLetters(self.database.rows.letters)
        self.scenario = scenario
        self.truth = (
            Truth(self.kinds, scenario.mended or scenario.views, self.database.views) if scenario.views else None
        )
        self.release = 1  # the version of its views that nodes which are started have; NEWER: of its kinds as well
        self._releases: dict[int, Release] = {}
        self._wanted: dict[int, dict[str, Wanted]] = {}  # by the release, the tables that its views have
        self.nodes: list[SimulatedNode] = []  # alive or dying, oldest first
        self.nodes_started = 0
        self.unfinished = scenario.unfinished
        self._schedule = schedule
        self.draw = Random(draw.getrandbits(64))
        self._wires = Random(draw.getrandbits(64))
        self.connections: list[Connection] = []
        self._connections_made = 0
        self.nursery: trio.Nursery | None = None  # while it is played
        self.changing = False  # a node is being replaced
        self.haunted: SimulatedNode | None = None  # the newest that has lived beside a zombie
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
                reads=scenario.reads,
                checker=self.checker,
                timeline=self.timeline,
                faults=faults,
                draw=Random(draw.getrandbits(64)),
                dial=self._dial,
                pace_s=scenario.pace_s,
                deadline_s=CLIENT.command_deadline_s,
                page=self.truth.page if self.truth is not None else lambda channel: None,
            )
            for number in range(1, scenario.clients + 1)
        ]
        self.redis = SimulatedRedis(draw=Random(draw.getrandbits(64)), faults=faults, timeline=self.timeline)
        self.jobs = Jobs(scenario.jobs) if scenario.jobs else None
        self.crews: list[SimulatedCrew] = []
        self.crews_wanted = scenario.crews if scenario.jobs else 0
        self.crews_started = 0
        self.clocks_right = False  # of nodes that are started
        self.draw_of_crews = Random(f"crews {schedule.seed}")

    def stop_all(self) -> None:
        """What comes after this tells nothing."""
        for node in self.nodes:
            self.resume(node)  # held out, it could not end
        for crew in self.crews:
            self.resume(crew)
        self.scope.cancel()

    # Nodes.

    async def start_node(self, process: str = "") -> SimulatedNode:
        """`process`: what it takes its process for; as a rule one of its own."""
        assert self.nursery is not None
        self.nodes_started += 1
        node = SimulatedNode(
            f"node{self.nodes_started}",
            process=process,
            kinds=self._present_kinds() if self._has_releases else self.kinds,
            database=self.database,
            letters=self.letters,
            checker=self.checker,
            timeline=self.timeline,
            draw=Random(self.draw.getrandbits(64)),
            skew_s=0.0 if self.clocks_right else self.faults.skew_s,
            redis=self.redis if self.nodes_wanted > 1 else None,
            ended=self._has_ended,
            proves=self.proven,
            release=self._present_release(),
            jobs=self.jobs,
            work=self.scenario.slots,
        )
        self.nodes.append(node)
        await self.nursery.start(node.run, name=node.name)
        return node

    @property
    def _has_releases(self) -> bool:
        """Does each node say what it knows, and learn what others do?"""
        return self.truth is not None or bool(self.scenario.older)

    def _present_kinds(self) -> Kinds:
        """Another node's are never the same: each learns by itself what others know."""
        return Kinds(self.scenario.older if self.scenario.older and self.release < NEWER else self.scenario.kinds)

    def _present_release(self) -> Release | None:
        if not self._has_releases:
            return None
        if self.release not in self._releases:
            self._releases[self.release] = release(self.release, self._present_kinds(), self.scenario.views)
        return self._releases[self.release]

    def wanted(self, view: str) -> Wanted:
        """A view as the present release has it."""
        present = self._present_release()
        assert present is not None
        if present.number not in self._wanted:
            installed = Views(Kinds(self.scenario.kinds), present.views)
            self._wanted[present.number] = {one.name: one for one in wanted_of(installed)}
        return self._wanted[present.number][view]

    def _has_ended(self, process: str) -> bool:
        """Is it proven that the process of this name runs no more?"""
        nodes = all(node.process != process or node.ended.is_set() for node in self.nodes)
        # Of one that is dead, what its tasks do to their end is nothing that anybody could see.
        return self.proven and nodes and all(crew.name != process or crew.dead for crew in self.crews)

    async def bury(self, node: SimulatedNode) -> None:
        """Kill a node if it still lives, and see that nothing of it is left."""
        self.resume(node)
        node.kill()
        await node.ended.wait()
        await self._is_gone(node.name)
        if node in self.nodes:
            self.nodes.remove(node)

    async def _is_gone(self, process: str) -> None:
        await trio.testing.wait_all_tasks_blocked()
        left = [task.name for task in _tasks() if task.context.get(NODE, "") == process]
        if left:
            self.checker.violated("no task outlives its owner", process, left)

    # Processes that only work on jobs.

    def start_crew(self) -> SimulatedCrew:
        assert self.nursery is not None and self.jobs is not None
        self.crews_started += 1
        draw = self.draw_of_crews
        crew = SimulatedCrew(
            f"crew{self.crews_started}",
            work=self.scenario.slots,
            jobs=self.jobs,
            kinds=self.kinds,
            nodes=lambda: self.nodes,
            draw=Random(draw.getrandbits(64)),
            faults=lambda: self.database.faults,
            timeline=self.timeline,
            crashed=lambda name, why: self.checker.violated("no part of a worker crashes", name, why),
            is_near=draw.random() < self.scenario.near,
        )
        self.crews.append(crew)
        self.nursery.start_soon(crew.run, name=crew.name)
        return crew

    async def bury_crew(self, crew: SimulatedCrew) -> None:
        """Kill it if it still lives, and see that nothing of it is left."""
        self.resume(crew)
        crew.kill()
        await crew.ended.wait()
        await self._is_gone(crew.name)
        if crew in self.crews:
            self.crews.remove(crew)

    def outside(self) -> Outside:
        """One who asks any of the nodes, as a service does."""
        return Outside(lambda: self.nodes, Random(self.draw_of_crews.getrandbits(64)), lambda: self.database.faults)

    def pause(self, node: SimulatedNode | SimulatedCrew) -> None:
        """As SIGSTOP, or a virtual machine that is frozen: time goes on, and nothing in it does."""
        self.timeline.note("stalled", who=node.name)
        node.stalled = True
        self._schedule.stall(node.name)

    def resume(self, node: SimulatedNode | SimulatedCrew) -> None:
        if node.stalled:
            self.timeline.note("goes on", who=node.name)
            node.stalled = False
            self._schedule.resume(node.name)

    def owner(self, entity: str) -> SimulatedNode | None:
        """Where it lives, by the rows."""
        incarnation = self.database.owner(entity)
        return next((node for node in self.nodes if node.incarnation == incarnation), None)

    def _dial(self, client: str) -> Connection | None:
        """To any node."""
        listening = [node for node in self.nodes if node.listening and not node.dead]
        if not listening:
            return None
        node = self._wires.choice(listening)
        self._connections_made += 1
        connection = Connection(self._wires, self.faults.latency_s, self._connections_made)
        self.connections = [one for one in self.connections if not one.broken]
        self.connections.append(connection)
        self.timeline.note("connects", node.name, connection.number, who=client)
        node.accept(connection)
        return connection

    # What must be true.

    def _turned_back(self) -> None:
        if self.truth is not None:
            self.truth.turned_back(self.checker.journals())

    def check(self, entity: str | None = None) -> None:
        """Every entity that is awake anywhere, or that one."""
        for node in self.nodes:
            if not self.scenario.older or node.is_of(NEWER):  # the older ones do not read all that there is
                node.check(entity)
        if entity is None and self.truth is not None:
            journals = self.checker.journals()
            wrong, early = self.truth.wrong(journals), self.truth.too_early(journals)
            if wrong is not None:
                self.checker.violated("a table is the fold of the journals, up to where it says", wrong)
            if early is not None:
                self.checker.violated("a table becomes live once it has caught up", early)


def _tasks() -> list[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    found: list[trio.lowlevel.Task] = []
    todo = [root] if root is not None else []
    while todo:
        task = todo.pop()
        found.append(task)
        todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found
