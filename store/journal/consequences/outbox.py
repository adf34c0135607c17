"""The outbox: messages to other entities, which leave once they are durable."""

from collections.abc import Sequence
from typing import ClassVar, Self

from msgspec import Struct

from greenroom.store.journal.consequences.consequence import Part, Tables

# What a claim brings along of one head's rows: the oldest. Those behind them are there to be read.
CLAIMED_MAX = 64  # rows
CLAIMED_BYTES_MAX = 256 << 10  # bytes of their bodies; the last row may pass it


class OutboxRow(Struct, gc=False):
    """Messages to other entities that left with one burst of events."""

    offset: int  # rises with each burst of the entity: the position of its last event (Head.position)
    body: bytes  # see actors/life/outgoing.py
    head_id: int = 0  # the sender's, where that isn't clear from the context
    entity: str = ""  # the sender's name, where that isn't clear from the context
    shard: int | None = None  # the sender's, where it has just been written


def brought_along(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Those of a head's rows, oldest first, that a claim brings along."""
    size = 0
    for number, row in enumerate(rows[:CLAIMED_MAX]):
        if size >= CLAIMED_BYTES_MAX:
            return list(rows[:number])
        size += len(row.body)
    return list(rows[:CLAIMED_MAX])


def is_cut_short(rows: Sequence[OutboxRow]) -> bool:
    """May the head of these rows, which a claim brought along, have more?"""
    return len(rows) >= CLAIMED_MAX or sum(len(row.body) for row in rows) >= CLAIMED_BYTES_MAX


class SentRows(dict[int, bytes]):
    """In memory: a head's rows, body by offset."""


class Outbox(list[OutboxRow]):
    """What one append sends to other entities: a row for each burst."""

    parts: ClassVar[tuple[Part["Outbox"], ...]] = (
        Part(
            name="sent",
            columns={"id": "bigint", '"offset"': "bigint", "body": "bytea", "shard": "int"},
            sql="""
    INSERT INTO outbox (id, "offset", body, shard)
    SELECT m.id, m."offset", m.body, m.shard FROM {rows} WHERE {owned}""",
            rows=lambda head_id, shard, outbox: [(head_id, row.offset, row.body, shard) for row in outbox],
        ),
    )

    def merge(self, later: Self) -> None:
        self.extend(later)

    def cost(self) -> tuple[int, int]:
        return len(self), sum(len(row.body) for row in self)

    def land(self, head: Tables, database: Tables) -> None:
        head.of(SentRows).update((row.offset, row.body) for row in self)
