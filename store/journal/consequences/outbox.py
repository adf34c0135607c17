"""The outbox: messages to other entities, which leave once they are durable."""

from typing import ClassVar, Self

from msgspec import Struct

from greenroom.store.journal.consequences.consequence import Part, Tables

CLAIMED_MAX = 64  # rows of one head that a claim brings along: the oldest. Those behind them are there to be read


class OutboxRow(Struct, gc=False):
    """Messages to other entities that left with one burst of events."""

    offset: int  # rises with each burst of the entity: the position of its last event (Head.position)
    body: bytes  # see actors/life/outgoing.py
    head_id: int = 0  # the sender's, where that isn't clear from the context
    entity: str = ""  # the sender's name, where that isn't clear from the context


class SentRows(dict[int, bytes]):
    """In memory: a head's rows, body by offset."""


class Outbox(list[OutboxRow]):
    """What one append sends to other entities: a row for each burst."""

    parts: ClassVar[tuple[Part["Outbox"], ...]] = (
        Part(
            name="sent",
            columns={"id": "bigint", '"offset"': "bigint", "body": "bytea"},
            sql='INSERT INTO outbox (id, "offset", body) SELECT m.id, m."offset", m.body FROM {rows} WHERE {owned}',
            rows=lambda head_id, outbox: [(head_id, row.offset, row.body) for row in outbox],
        ),
    )

    def merge(self, later: Self) -> None:
        self.extend(later)

    def cost(self) -> tuple[int, int]:
        return len(self), sum(len(row.body) for row in self)

    def land(self, head: Tables, database: Tables) -> None:
        head.of(SentRows).update((row.offset, row.body) for row in self)
