"""A journal in memory that fails, hangs or lies as a test tells it to."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, TypeVar

import trio

from greenroom.store.errors import JournalDamaged, OutcomeLost, StoreUnavailable
from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.journal import NOTHING_ABOVE, Claim
from greenroom.store.journal.journal_memory import MemoryJournal, MemoryRows
from greenroom.store.journal.records import Append, Claimed, Due, Head, Outcome, Remembered, StoredEvent, Trimmed

T = TypeVar("T")


CALLS = ["claim", "append", "read", "replies", "received", "outbox", "delivered", "due"]
CALLS += ["save_snapshot", "stored", "save_folded", "trim", "lineage"]


class Fault(Enum):
    NONE = auto()
    UNAVAILABLE = auto()  # nothing was done, and that is known
    LOST = auto()  # nothing was done, and nobody knows
    LANDED_LOST = auto()  # it was done, and nobody knows
    HANGS = auto()  # until cancelled
    CRASHES = auto()  # a bug: an error that no caller expects


class FaultyJournal:
    """Faults are used up in order, one a call: `journal.faults["append"] += [Fault.LOST]`."""

    def __init__(self, rows: MemoryRows | None = None, *, incarnation: int = 1) -> None:
        self.memory = MemoryJournal(rows, incarnation=incarnation, now=trio.current_time)  # without faults
        self.rows = self.memory.rows
        self.faults: dict[str, deque[Fault]] = {name: deque() for name in CALLS}
        self.down = False  # every call is refused
        self.refused: Callable[[StoredEvent], bool] = lambda event: False  # as a server that takes no such data
        self.damaged: set[str] = set()  # entities whose rows contradict themselves
        self.delay_s = 0.0
        self.held: trio.Event | None = None  # appends wait for it
        self.appends: list[list[tuple[str, int, int]]] = []  # each statement's (entity, after, events), as they began
        self.calls: list[str] = []

    def events(self, entity: str) -> list[StoredEvent]:
        row = self.rows.by_entity.get(entity)
        return row.events if row is not None else []

    def durable(self, entity: str, offset: int) -> list[StoredEvent]:
        """The event with that offset, unless it is not there, or not any more."""
        row = self.rows.by_entity.get(entity)
        return row.events[offset - row.head.trimmed - 1 :][:1] if row is not None and offset > row.head.trimmed else []

    def offset(self, entity: str) -> int:
        row = self.rows.by_entity.get(entity)
        return row.head.offset if row is not None else 0

    def hold(self) -> None:
        self.held = trio.Event()

    def release(self) -> None:
        assert self.held is not None
        self.held.set()
        self.held = None

    async def _with_faults(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(name)
        faults = self.faults[name]
        fault = faults.popleft() if faults else Fault.NONE
        if self.delay_s:
            await trio.sleep(self.delay_s)
        if self.down or fault is Fault.UNAVAILABLE:
            await trio.lowlevel.checkpoint()
            raise StoreUnavailable("the test says so")
        lost = OutcomeLost if name == "append" else StoreUnavailable  # of the others nobody needs to know
        match fault:
            case Fault.LOST:
                await trio.lowlevel.checkpoint()
                raise lost("the test says so")
            case Fault.LANDED_LOST:
                await call()
                raise lost("the test says so")
            case Fault.HANGS:
                await trio.sleep_forever()
            case Fault.CRASHES:
                raise RuntimeError("the test says so")
        return await call()

    async def claim(
        self, terms: Mapping[str, int], *, window: int, above: Mapping[str, int] = NOTHING_ABOVE
    ) -> list[Claim]:
        claims = await self._with_faults("claim", lambda: self.memory.claim(terms, window=window, above=above))
        return [
            JournalDamaged(entity, "the test says so") if entity in self.damaged else claim
            for entity, claim in zip(terms, claims, strict=True)
        ]

    async def append(self, batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
        self.appends.append(
            [(self.rows.by_id[one.head_id].head.entity, one.after, len(one.events)) for one in batch]
            if all(one.head_id in self.rows.by_id for one in batch)
            else []
        )
        if self.held is not None:
            await self.held.wait()
        taken = [one for one in batch if not any(self.refused(event) for event in one.events)]
        landed = await self._with_faults("append", lambda: self.memory.append(taken, lane=lane))
        outcomes = dict(zip((one.head_id for one in taken), landed, strict=True))
        return [outcomes.get(one.head_id, Outcome.DAMAGED) for one in batch]

    async def lineage(self) -> str:
        return await self._with_faults("lineage", self.memory.lineage)

    async def read(self, entity: str, **how: Any) -> tuple[Head | None, list[StoredEvent]]:
        return await self._with_faults("read", lambda: self.memory.read(entity, **how))

    async def replies(self, head_id: int, command_ids: Sequence[str]) -> dict[str, Remembered]:
        return await self._with_faults("replies", lambda: self.memory.replies(head_id, command_ids))

    async def received(self, head_id: int, senders: Sequence[int]) -> dict[int, int]:
        return await self._with_faults("received", lambda: self.memory.received(head_id, senders))

    async def outbox(self, **how: Any) -> list[OutboxRow]:
        return await self._with_faults("outbox", lambda: self.memory.outbox(**how))

    async def delivered(self, rows: Sequence[tuple[int, int]], *, lineage: str) -> None:
        await self._with_faults("delivered", lambda: self.memory.delivered(rows, lineage=lineage))

    async def due(self, **how: Any) -> list[Due]:
        return await self._with_faults("due", lambda: self.memory.due(**how))

    async def save_snapshot(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        return await self._with_faults(
            "save_snapshot", lambda: self.memory.save_snapshot(head_id, fence=fence, offset=offset, body=body)
        )

    async def stored(self, entity: str) -> Claimed | None:
        return await self._with_faults("stored", lambda: self.memory.stored(entity))

    async def save_folded(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        return await self._with_faults(
            "save_folded", lambda: self.memory.save_folded(head_id, fence=fence, offset=offset, body=body)
        )

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> Trimmed:
        return await self._with_faults(
            "trim",
            lambda: self.memory.trim(
                head_id, keep_count=keep_count, keep_after_ms=keep_after_ms, ids_after_ms=ids_after_ms
            ),
        )
