"""Nodes in one process, on one journal in memory: kernel, hub, correspondence and services of each are real; links and
ownership are the test's.
"""

import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from opentelemetry import trace
from structlog.testing import capture_logs

from greenroom.actors.identity import Session
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, NotHere
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import Attended, Stop
from greenroom.actors.model.message import Ask, Message
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import ClientConfig, CommitConfig, HttpConfig, HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import Tracing
from greenroom.store.errors import NotOwner
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.correspondence.correspondence import Correspondence
from greenroom.supervisors.kernel.cells import cell
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.transports.edge import FanOut
from greenroom.transports.hub.encoding import Encoding
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.recovery import Missed
from greenroom.transports.hub.topic import Topic
from greenroom.transports.hub.watching import Position
from greenroom.transports.services import Services
from tests.store.journal.faulty_journal import FaultyJournal
from tests.supervisors.correspondence.linked import Network
from tests.supervisors.correspondence.small_entities import Hall, Present, SlowOne, Talk

A, B, C, NOBODY = 11, 22, 33, 0
KINDS: tuple[type[Actor[Any]], ...] = (Talk, Hall, Present, SlowOne, Session)


class Owners:
    """Who owns what: the truth, and what each node believes of it."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}
        self.terms: dict[str, int] = {}
        self.believed: dict[int, dict[str, int | None]] = {}
        self.looks = 0

    def move(self, entity: str, node: int | None) -> None:
        if node is None:
            self.of.pop(entity, None)
        else:
            self.of[entity] = node
        self.terms[entity] = self.terms.get(entity, 1) + 1


class Owning:
    """One node's ownership."""

    valid_until = math.inf

    def __init__(self, owners: Owners, node: int, default: int) -> None:
        self._owners = owners
        self._node = node
        self._default = default
        self.believed: dict[str, int | None] = {}

    async def fresh(self) -> None:
        pass

    def owns(self, entity: str) -> bool:
        return self._owners.of.get(entity, self._default) == self._node

    def term(self, entity: str) -> int:
        if not self.owns(entity):
            raise NotOwner(entity)
        return self._owners.terms.get(entity, 1)

    def owner(self, entity: str) -> int | None:
        if entity in self.believed:
            return self.believed[entity]
        return self._owners.of.get(entity, self._default) or None

    def shard(self, entity: str) -> int:
        return 0

    def shards(self) -> frozenset[int] | None:
        return None

    def lost(self, entity: str) -> bool:
        return not self.owns(entity)

    def look(self) -> None:
        """As if the referee were asked."""
        self._owners.looks += 1
        self.believed.clear()


class Offsets:
    """An encoding that says what is published, and nothing more."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        return b",".join(b"%d" % one.offset for one in batch)

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return data

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return f"{kind} ".encode() + info


class Seat:
    """One who watches, and notes what it is told. After it was told to start over it comes again, with its position."""

    encoding: type[Encoding] = Offsets
    as_view = False
    gone = False

    def __init__(self, node: "Node", entity: str, principal: Principal, *, wants_joins: bool = False) -> None:
        self.wants_joins = wants_joins
        self.granted = False
        self.comings: list[str] = []  # joins and leaves, with the user's name
        self.node = node
        self.entity = entity
        self.principal = principal
        self.topic: Topic | None = None
        self.view: Any = None
        self.began_at: int | None = None
        self.epoch = ""
        self.offsets: list[int] = []
        self.ephemerals: list[bytes] = []
        self.refusals: list[ActorError] = []
        self.kicks: list[int] = []
        self.starts_over = 0
        self.comes_again = True

    @property
    def at(self) -> int:
        return self.offsets[-1] if self.offsets else self.began_at or 0

    def watch(self) -> None:
        position = None if self.began_at is None else Position(self.epoch, self.at)
        self.node.services.watching.watch(self.entity, self, position)

    def leave(self) -> None:
        if self.topic is not None:
            topic, self.topic = self.topic, None
            self.node.services.watching.leave(topic, self)

    # Watcher.

    def abandoned(self) -> None:
        raise AssertionError

    def admitted(self, topic: Topic, view: bytes, missed: Missed | None) -> "Seat":
        self.topic = topic
        self.view = msgspec.json.decode(view)
        if missed is not None and missed.publications is not None:
            self.offsets += [one.offset for one in missed.publications]
        else:
            assert self.began_at is None, "what was missed must be known"
            self.began_at = topic.offset
        assert self.at == topic.offset, (self.at, topic.offset)
        self.epoch = topic.epoch
        return self

    def attached(self) -> None:
        pass

    def refused(self, error: ActorError) -> None:
        self.refusals.append(error)
        if error.temporary and self.comes_again:
            self.watch()

    def broken(self, error: Exception) -> None:
        raise error

    # Subscriber.

    def deliver(self, batch: bytes, last_offset: int) -> None:
        self.offsets += [int(one) for one in batch.split(b",")]

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        kind, _, info = piece.partition(b" ")
        if kind in (b"join", b"leave"):
            self.comings.append(f"{kind.decode()} {msgspec.json.decode(info)['user']}")
        else:
            self.ephemerals.append(piece)

    def kicked(self, code: int, reason: str) -> None:
        if code == 2500:  # it is to come again
            self.epoch_changed()
            return
        self.kicks.append(code)
        self.leave()

    def epoch_changed(self) -> None:
        self.starts_over += 1
        self.leave()
        if self.comes_again:
            self.watch()


class Node:
    """One node of the cluster."""

    def __init__(self, cluster: "Cluster", incarnation: int) -> None:
        self.incarnation = incarnation
        self.cluster = cluster
        self.kinds = Kinds(cluster.kinds)
        self.journal = FaultyJournal(cluster.rows, incarnation=incarnation)
        self.instruments = Instruments()
        self.ownership = Owning(cluster.owners, incarnation, A)
        self.letters = MemoryDeadLetters()
        self.fan_out = FanOut(
            self.kinds, HubConfig(linger_s=5.0, leave_s=0), self.instruments, stopwatch=trio.current_time
        )
        self.hub = self.fan_out.hub
        links = cluster.network.links_of(incarnation)
        self.correspondence = Correspondence(
            node=incarnation,
            kinds=self.kinds,
            ownership=self.ownership,
            hub=self.hub,
            journal=self.journal,
            kernel=lambda: self.kernel,
            links=lambda: links,
            nodes=lambda: [node for node in cluster.nodes if node != incarnation],
            look=lambda: self.ownership.look(),
            hear=lambda owner, terms: None,
            instruments=self.instruments,
        )
        self.kernel = Kernel(
            kinds=self.kinds,
            journal=self.journal,
            dead_letters=self.letters,
            audiences=self.correspondence.audiences,
            instruments=self.instruments,
            clock=trio.current_time,
            monotonic=trio.current_time,
            rng=random.Random(incarnation),
            commit=CommitConfig(lanes=1),
            ownership=self.ownership,
            elsewhere=self.correspondence.asking,
        )
        self.services = Services(
            kinds=self.kinds,
            submit=self.kernel.router.submit,
            journal=self.journal,
            hub=self.hub,
            signed_in=self.fan_out.signed_in,
            tokens=None,
            anonymous=True,
            client=ClientConfig(),
            http=HttpConfig(),
            clock=trio.current_time,
            instruments=self.instruments,
            tracing=Tracing(trace.get_tracer("test"), sample=0.0),
            version="0",
            before_watching=self.correspondence.feeds.before,
            audience_elsewhere=self.correspondence.changed,
        )
        self.scope: trio.CancelScope | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            self.scope = nursery.cancel_scope
            await nursery.start(self.services.reads.run)
            await nursery.start(self.services.deadlines.run)
            for child in self.correspondence.children:
                await nursery.start(child.start)
            await nursery.start(self.kernel.run)
            nursery.start_soon(self.hub.run)
            nursery.start_soon(self._flush)
            self.cluster.network.ends[self.incarnation] = self.correspondence
            task_status.started()

    async def _flush(self) -> None:
        """Woken, as the flusher is: hours pass in no time, and to look at each of their milliseconds takes long."""
        turn_end = self.fan_out.turn_end
        while True:
            await turn_end.wait()
            await trio.sleep(self.cluster.flush_s)
            turn_end.clear()
            self.hub.flush_all()

    async def ask(self, entity: str, message: Ask[Any], **how: Any) -> Any:
        return await self.kernel.router.ask(entity, message, **how)

    def send(self, entity: str, message: Message, **fields: Any) -> "Answer":
        answer = Answer()
        self.kernel.router.submit(entity, Envelope(message=message, slot=answer, **fields))
        return answer

    def watch(
        self, entity: str, principal: Principal, *, wants_joins: bool = False, encoding: type[Encoding] = Offsets
    ) -> Seat:
        seat = Seat(self, entity, principal, wants_joins=wants_joins)
        seat.encoding = encoding
        seat.watch()
        return seat

    def audience(self, entity: str, principal: Principal, *, names_max: int = 0) -> "Answer":
        """As `presence` and `presence_stats` ask."""
        answer = Answer()

        def seen(attended: Attended) -> None:
            answer.given.append(attended)

        self.services.reading.audience(
            entity, principal, seen, answer.reject, lambda error: answer.given.append(error), names_max=names_max
        )
        return answer

    def awake(self) -> set[str]:
        return {one.entity for one in self.kernel.system.awake()}

    async def stop(self, entity: str) -> None:
        """Have it end here, with all that it has begun."""
        for one in self.kernel.system.awake():
            if one.entity == entity:
                one.mailbox.put_control(Stop())
                with trio.fail_after(30):
                    while one in self.kernel.system.awake():  # noqa: ASYNC110 - virtual time
                        await trio.sleep(0.001)


class Answer:
    """A reply slot that notes what it is told."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.encoded: bytes | None = None

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        self.given.append(reply)
        self.encoded = encoded

    def reject(self, error: ActorError) -> None:
        self.given.append(error)

    @property
    def only(self) -> Any:
        assert len(self.given) == 1, self.given
        return self.given[0]


class Cluster:
    def __init__(
        self, network: Network, *, flush_s: float = 0.001, kinds: tuple[type[Actor[Any]], ...] = KINDS
    ) -> None:
        self.flush_s = flush_s
        self.kinds = kinds
        self.rows = MemoryRows()
        self.owners = Owners()
        self.network = network
        self.nodes: dict[int, Node] = {}

    async def move(self, entity: str, node: int) -> None:
        """As a hand-over: its former owner ends it, then the other has it."""
        former = self.owners.of.get(entity, A)
        self.owners.of[entity] = NOBODY  # so that nobody wakes it there again
        if former in self.nodes:
            await self.nodes[former].stop(entity)
        self.owners.move(entity, node)

    def texts(self, entity: str) -> list[str]:
        node = next(iter(self.nodes.values()))
        found = [msgspec.json.decode(event.payload) for event in node.journal.events(entity)]
        return [one["text"] for one in found if "text" in one]

    def kill(self, node: int) -> None:
        scope = self.nodes.pop(node).scope
        assert scope is not None
        scope.cancel()
        self.network.kill(node)


@asynccontextmanager
async def cluster(
    *incarnations: int,
    rng: random.Random | None = None,
    flush_s: float = 0.001,
    network: Network | None = None,
    kinds: tuple[type[Actor[Any]], ...] = KINDS,
) -> AsyncIterator[Cluster]:
    """Running nodes, of which the first owns everything until something is moved."""
    found = Cluster(network or Network(rng=rng), flush_s=flush_s, kinds=kinds)
    with capture_logs(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell, "unhandled", lambda ending: NotHere("the entity has moved"))
        async with trio.open_nursery() as nursery:
            await nursery.start(found.network.run)
            for incarnation in incarnations or (A, B):
                found.nodes[incarnation] = Node(found, incarnation)
                await nursery.start(found.nodes[incarnation].run)
            yield found
            nursery.cancel_scope.cancel()
