"""The relay on a journal that a test can stop, and receivers that do as they are told."""

import itertools
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio
from msgspec import Raw
from structlog.testing import capture_logs

from greenroom.actors.life.outgoing import Outgoing, encode_body, sequence
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Done
from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.supervisors.delivery.relay import START, Relay
from greenroom.supervisors.supervision.backoff import Backoff
from tests.supervisors.kernel.small_kernel import Heard, Log

A, B, C = "log:a", "log:b", "log:c"
IDS = {A: 1, B: 2, C: 3}
SWEEP_S = 5.0
LINEAGES = map(str, itertools.count())


class Outbox:
    """The journal, as far as the relay sees it."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], OutboxRow] = {}
        self.errors: dict[str, deque[Exception]] = {"outbox": deque(), "delivered": deque()}
        self.deleted: list[tuple[int, int]] = []
        self.reading: Callable[[], None] = lambda: None  # called between a read and its answer
        self.sweeps = 0  # that have begun
        self.sweep_s = 0.0  # what a read of a sweep takes

    async def lineage(self) -> str:
        await trio.lowlevel.checkpoint()
        return next(LINEAGES)

    async def outbox(
        self, *, after: tuple[int, int], limit: int, shards: frozenset[int] | None = None
    ) -> list[OutboxRow]:
        self.sweeps += after == START
        await trio.sleep(self.sweep_s)
        if self.errors["outbox"]:
            raise self.errors["outbox"].popleft()
        keys = [key for key in sorted(self.rows) if key > after and (shards is None or key[0] in shards)]
        found = [self.rows[key] for key in keys[:limit]]
        self.reading()
        return found

    async def delivered(self, rows: Sequence[tuple[int, int]], *, lineage: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.errors["delivered"]:
            raise self.errors["delivered"].popleft()
        for key in rows:
            self.rows.pop(key, None)
            self.deleted.append(key)


class World:
    """Senders whose events are durable at once, and the mailboxes of receivers."""

    def __init__(
        self, *, kept_max: int = 1000, kept_bytes_max: int = 1 << 20, seed: int = 0, claimed: bool = True
    ) -> None:
        self.journal = Outbox()
        self.inbox: list[Envelope] = []  # not decided yet
        self.arrived: list[tuple[str, str, float]] = []  # receiver, text, when
        self.refusals: dict[str, deque[ActorError]] = {}  # of `submit`, for each receiver
        self.offsets: dict[str, int] = {}
        self.lineage = ""  # of the database
        self.shards: frozenset[int] | None = None  # that are ours; each head is on the shard of its number
        self.relay = Relay(
            kinds=Kinds((Log,)),
            journal=self.journal,  # type: ignore[arg-type]
            submit=self.submit,
            new_backoff=lambda: Backoff(random=random.Random(seed), first_s=1.0, max_s=8.0),
            shards=lambda: self.shards,
            kept_max=kept_max,
            kept_bytes_max=kept_bytes_max,
            sweep_s=SWEEP_S,
        )
        if claimed:
            self.begin_lineage()

    def begin_lineage(self) -> None:
        self.lineage = next(LINEAGES)
        self.relay.begin_lineage(self.lineage)

    def submit(self, entity: str, envelope: Envelope) -> None:
        if self.refusals.get(entity):
            raise self.refusals[entity].popleft()
        assert isinstance(envelope.message, Heard)
        self.arrived.append((entity, envelope.message.text, trio.current_time()))
        self.inbox.append(envelope)

    def commit(self, sender: str, *tells: tuple[str, str]) -> tuple[OutboxRow, list[Outgoing]]:
        """A row with texts for receivers, durable and not posted."""
        offset = self.offsets[sender] = self.offsets.get(sender, 0) + 1
        messages = [
            Outgoing(sequence(offset, number), receiver, Raw(msgspec.json.encode(Heard(text=text))))
            for number, (receiver, text) in enumerate(tells)
        ]
        row = OutboxRow(offset, encode_body(messages), IDS[sender], sender, IDS[sender])
        self.journal.rows[row.head_id, row.offset] = row
        return row, messages

    def post(self, sender: str, *tells: tuple[str, str]) -> None:
        self.relay.post(*self.commit(sender, *tells), self.lineage)

    def texts(self, receiver: str = B) -> list[str]:
        return [text for entity, text, _ in self.arrived if entity == receiver]

    def decide(self, count: int = 1) -> None:
        for _ in range(count):
            slot = self.inbox.pop(0).slot
            assert slot is not None
            slot.resolve(Done(), None)

    def reject(self, count: int = 1) -> None:
        for _ in range(count):
            slot = self.inbox.pop(0).slot
            assert slot is not None
            slot.reject(Unavailable("not now"))

    async def decide_all(self, seconds: float = 60.0) -> None:
        until = trio.current_time() + seconds
        while trio.current_time() < until:
            self.decide(len(self.inbox))
            await trio.sleep(0.5)


@asynccontextmanager
async def world(**how: Any) -> AsyncIterator[World]:
    made = World(**how)
    with capture_logs():
        async with trio.open_nursery() as nursery:
            await nursery.start(made.relay.run)
            await settled()  # the first sweep
            yield made
            nursery.cancel_scope.cancel()


async def settled() -> None:
    for _ in range(20):
        await trio.lowlevel.checkpoint()
