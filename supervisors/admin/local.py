"""What this node says to whoever looks: of itself, and of an entity in its memory. Looked up when it is asked for.

Over all who are awake it goes in steps, between which others have their turn: with 200,000 of them it takes a while,
and delays nobody.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from heapq import nlargest
from typing import Any, Protocol

import msgspec
import trio
from msgspec import Raw

from greenroom.actors.jobs.queue import Queue
from greenroom.actors.model.entity import split_entity
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.supervisors.admin.jobs.gauges import ended_by_queue, queue_told
from greenroom.supervisors.admin.told import (
    KINDS_MAX,
    NAMED_MAX,
    NO_STATE,
    QUEUES_MAX,
    STATE_BYTES_MAX,
    AboutEntity,
    AboutMetrics,
    AboutNode,
    AboutQueues,
    AboutViews,
    DeepMailbox,
    EntityTold,
    Failed,
    Moved,
    NodeTold,
    QueuesTold,
    SlowConsumer,
    ViewsTold,
    decode_question,
)
from greenroom.supervisors.admin.traces import Traces
from greenroom.supervisors.cluster.moves import Move
from greenroom.supervisors.kernel.cells.cell import Cell
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.supervision.failures import Failure

STEP = 1_000  # cells looked at between two chances for others
SLOW_LOOKED_MAX = 1_000  # slow consumers that are looked at
MOVES_SHOWN = 50
FAILURES_SHOWN = 20
OTHER = "other"


class Blocked(Protocol):
    """A connection whose socket takes no more."""

    peer: str

    @property
    def queued_bytes(self) -> int: ...

    def waited_s(self, now: float) -> float: ...


class Sockets(Protocol):
    """The edge, as far as is asked of it."""

    @property
    def queued_bytes(self) -> int: ...

    @property
    def slow(self) -> Sequence[Blocked]:
        """Those blocked, the oldest first."""


class Local:
    """Of one node."""

    def __init__(
        self,
        *,
        node: int,
        version: str,
        clock: Callable[[], float],
        kernel: Callable[[], Kernel],
        sockets: Callable[[], Sockets],
        instruments: Instruments,
        serving: Callable[[], bool],
        memory_bytes: Callable[[], int],
        watchers: Callable[[str], Mapping[int, int]],
        moves: Callable[[], Sequence[Move]] = tuple,
        links: Callable[[], Mapping[int, str]] = dict,
        metrics: Callable[[], bytes] = bytes,
        traces: Traces,
        jobs: JobInstruments | None = None,
    ) -> None:
        """`node` is its incarnation; `clock` gives Unix seconds. `watchers`: connections that watch an entity which
        lives here, by node. `links`: how the links to other nodes are; `metrics`: as Prometheus text."""
        self.node = node
        self._version = version
        self._clock = clock
        self._started_at_ms = int(clock() * 1000)
        self._kernel = kernel
        self._sockets = sockets
        self._instruments = instruments
        self._serving = serving
        self._memory_bytes = memory_bytes
        self._watchers = watchers
        self._moves = moves
        self._links = links
        self._metrics = metrics
        self._traces = traces
        self._jobs = jobs or JobInstruments()

    async def answer(self, question: bytes) -> bytes:
        """Raises: msgspec.MsgspecError for a question that this release does not know."""
        about = decode_question(question)
        if isinstance(about, AboutMetrics):
            return self._metrics()
        if isinstance(about, AboutViews):
            return msgspec.json.encode(self.of_views())
        if isinstance(about, AboutQueues):
            return msgspec.json.encode(await self.of_queues())
        return msgspec.json.encode(await self.of_node() if isinstance(about, AboutNode) else self.of_entity(about))

    async def of_node(self) -> NodeTold:
        kernel, sockets, counted = self._kernel(), self._sockets(), self._instruments
        now = trio.current_time()
        kinds: dict[str, int] = {}
        behind: list[tuple[int, str, Cell]] = []
        depth = 0
        for number, cell in enumerate(kernel.system.awake(), 1):
            name = cell.kind.name
            kinds[name] = kinds.get(name, 0) + 1
            if waits := len(cell.mailbox):
                depth += waits
                behind.append((waits, cell.entity, cell))
            if not number % STEP:
                await trio.lowlevel.checkpoint()
        slow = sockets.slow
        return NodeTold(
            node=f"{self.node:016x}",
            at_s=time.monotonic(),
            started_at_ms=self._started_at_ms,
            version=self._version,
            serving=self._serving(),
            memory_bytes=self._memory_bytes(),
            awake=counted.awake,
            kinds=_bounded(kinds),
            deepest=[
                DeepMailbox(entity, waits, cell.mailbox.bytes, age_of(cell, now))
                for waits, entity, cell in nlargest(NAMED_MAX, behind, key=lambda one: one[:2])
            ],
            mailbox_depth=depth,
            connections=counted.connections,
            subscriptions=counted.subscriptions,
            slow=[
                SlowConsumer(one.peer, one.queued_bytes, round(one.waited_s(now), 1)) for one in slow[:SLOW_LOOKED_MAX]
            ][:NAMED_MAX],
            slow_count=len(slow),
            queue_bytes=sockets.queued_bytes,
            outbox_waiting=kernel.relay.waiting,
            timers_overdue=kernel.waker.overdue,
            letters_stored=counted.dead_letters_stored,
            counters=counters_of(counted),
            lag=list(counted.loop_lag_s.counts),
            commits=list(counted.commit_s.counts),
            links={f"{node:016x}": how for node, how in self._links().items()},
            moves=[_moved(one) for one in self._moves()[:MOVES_SHOWN]],
            failures=[_failed(one) for one in kernel.failures.newest(FAILURES_SHOWN)],
        )

    def of_views(self) -> ViewsTold:
        counted = self._instruments
        return ViewsTold(
            node=f"{self.node:016x}",
            at_s=time.monotonic(),
            started_at_ms=self._started_at_ms,
            events={" ".join(labels): count for labels, count in counted.view_events.items()},
            resting=[" ".join(labels) for labels, rests in counted.sink_resting.items() if rests],
        )

    async def of_queues(self) -> QueuesTold:
        queues = []
        for number, cell in enumerate(self._kernel().system.awake(), 1):
            if isinstance(cell.actor, Queue):
                queues.append(queue_told(cell.actor))
            if not number % STEP:
                await trio.lowlevel.checkpoint()
        return QueuesTold(
            node=f"{self.node:016x}",
            at_s=time.monotonic(),
            started_at_ms=self._started_at_ms,
            queues=nlargest(QUEUES_MAX, queues, key=lambda one: one.waiting + one.later + one.active),
            ended=ended_by_queue(self._jobs),
        )

    def of_entity(self, about: AboutEntity) -> EntityTold:
        """Raises: BadEntity."""
        entity = about.entity
        split_entity(entity)
        kernel = self._kernel()
        ownership, system = kernel.ownership, kernel.system
        fields: dict[str, Any] = {
            "node": f"{self.node:016x}",
            "owns": ownership.owns(entity),
            "departing": system.departs(entity),
            "down_s": round(system.down_s(entity), 1),
            "watchers": {f"{node:016x}": count for node, count in self._watchers(entity).items()},
            "failures": [_failed(one) for one in kernel.failures.of(entity)],
            "spans": self._traces.of(entity) if about.traces else [],
        }
        cell = system.cell(entity)
        if cell is None:
            return EntityTold(awake=False, **fields)
        now = trio.current_time()
        head, actor = cell.head, cell.actor
        state, is_long = self._state(cell) if about.state else (NO_STATE, False)
        return EntityTold(
            awake=True,
            epoch=head.epoch if head is not None else "",
            offset=actor.offset if actor is not None else None,
            fence=head.fence if head is not None else None,
            idle_s=round(now - cell.last_active, 1),
            waits=len(cell.mailbox),
            waits_bytes=cell.mailbox.bytes,
            waits_s=age_of(cell, now),
            flights=cell.flights,
            suspects=cell.suspects,
            restarts=cell.restarts(now),
            timers=cell.timers,
            state=state,
            state_is_long=is_long,
            **fields,
        )

    def _state(self, cell: Cell) -> tuple[Raw, bool]:
        """As JSON, and whether it is too long to be told."""
        if cell.actor is None:
            return NO_STATE, False
        try:
            body = cell.kind.encode_state(cell.actor.state)
        except Exception as error:  # the entity's own types may raise anything
            body = msgspec.json.encode({"error": f"the state can't be encoded: {error!r}"[:500]})
        return (Raw(body), False) if len(body) <= STATE_BYTES_MAX else (NO_STATE, True)


def counters_of(counted: Instruments) -> dict[str, float]:
    """Those of which the rate is of interest."""
    commands = failed = 0
    for (_, _, outcome), count in counted.commands.items():
        commands += count
        if outcome != "ok":
            failed += count
    return {
        "commands": commands,
        "commands_failed": failed,
        "events": counted.commit_batch_events.sum,
        "commits": counted.commit_s.count,
        "commit_failures": counted.commit_failures,
        "deliveries": counted.deliveries,
        "activations": counted.activations,
        "passivations": counted.passivations,
        "restarts": counted.restarts,
        "dead_letters": counted.dead_letters,
        "connects": counted.connects,
        "refused_connects": counted.refused_connects,
        "slow_disconnects": counted.slow_disconnects,
        "remote_messages": counted.remote_messages,
        "fenced_appends": counted.fenced_appends,
        "cpu_s": time.process_time(),
    }


def age_of(cell: Cell, now: float) -> float | None:
    """How long the message at the front has waited, seconds, `now` on the trio clock; None where that is not known."""
    at = cell.mailbox.oldest_queued_at()
    return None if not at else round(max(now - at, 0.0), 3)


def _bounded(kinds: dict[str, int]) -> dict[str, int]:
    """The most frequent ones; all others together."""
    ordered = sorted(kinds.items(), key=lambda one: (-one[1], one[0]))
    found = dict(ordered[:KINDS_MAX])
    if rest := sum(count for _, count in ordered[KINDS_MAX:]):
        found[OTHER] = rest
    return found


def _moved(move: Move) -> Moved:
    former, owner = (None if one is None else f"{one:016x}" for one in (move.former, move.owner))
    return Moved(int(move.at * 1000), move.cause, move.shards, former, owner, round(move.seconds, 3))


def _failed(failure: Failure) -> Failed:
    return Failed(int(failure.at * 1000), failure.entity, failure.what, failure.error)
