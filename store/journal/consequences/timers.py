"""Durable timers: set or moved, and ended, by name."""

from typing import ClassVar, Self

from msgspec import Struct

from greenroom.store.journal.consequences.consequence import Part, Tables
from greenroom.store.journal.names import encode_name


class TimerRow(Struct, gc=False):
    """A durable timer of an entity."""

    name: str
    due_ms: int  # Unix ms
    body: bytes  # what comes then and when it comes again: see actors/model/schedule.py


class TimerRows(dict[str, TimerRow]):
    """In memory: a head's rows by name."""


class Timers(dict[str, TimerRow | None]):
    """By name; None: no more of it."""

    parts: ClassVar[tuple[Part["Timers"], ...]] = (
        Part(
            name="moved",
            columns={"id": "bigint", "name": "bytea", "due_ms": "bigint", "body": "bytea", "shard": "int"},
            sql="""
    INSERT INTO timers (id, name, due_ms, body, shard)
    SELECT m.id, m.name, m.due_ms, m.body, m.shard FROM {rows} WHERE {owned}
    ON CONFLICT (id, name) DO UPDATE SET due_ms = excluded.due_ms, body = excluded.body, shard = excluded.shard""",
            rows=lambda head_id, shard, timers: [
                (head_id, encode_name(row.name), row.due_ms, row.body, shard)
                for row in timers.values()
                if row is not None
            ],
        ),
        Part(
            name="ended",
            columns={"id": "bigint", "name": "bytea"},
            sql="DELETE FROM timers t USING {rows} WHERE t.id = m.id AND t.name = m.name AND {owned}",
            rows=lambda head_id, shard, timers: [
                (head_id, encode_name(name)) for name, row in timers.items() if row is None
            ],
        ),
    )

    def merge(self, later: Self) -> None:
        self.update(later)

    def cost(self) -> tuple[int, int]:
        return len(self), sum(len(name) + (0 if row is None else len(row.body)) for name, row in self.items())

    def land(self, head: Tables, database: Tables) -> None:
        rows = head.of(TimerRows)
        for name, row in self.items():
            if row is not None:
                rows[name] = row
            else:
                rows.pop(name, None)
