"""Marks: what was handled of each sender, as its highest sequence number, so that nothing is handled twice."""

from typing import ClassVar, Self

from greenroom.store.journal.consequences.consequence import Part, Tables

MARK_BYTES = 16


class MarkRows(dict[int, int]):
    """In memory: a head's rows, sequence number by sender."""


class Marks(dict[int, int]):
    """Sender's head id -> highest sequence number handled."""

    parts: ClassVar[tuple[Part["Marks"], ...]] = (
        Part(
            name="marked",
            columns={"id": "bigint", "sender": "bigint", "seq": "bigint"},
            sql="""
    INSERT INTO received AS r (id, sender, seq) SELECT m.id, m.sender, m.seq FROM {rows} WHERE {owned}
    ON CONFLICT (id, sender) DO UPDATE SET seq = excluded.seq, at = excluded.at WHERE r.seq < excluded.seq""",
            rows=lambda head_id, shard, marks: [(head_id, sender, seq) for sender, seq in marks.items()],
        ),
    )

    def merge(self, later: Self) -> None:
        for sender, seq in later.items():
            self[sender] = max(seq, self.get(sender, 0))

    def cost(self) -> tuple[int, int]:
        return len(self), len(self) * MARK_BYTES

    def land(self, head: Tables, database: Tables) -> None:
        rows = head.of(MarkRows)
        for sender, seq in self.items():
            rows[sender] = max(seq, rows.get(sender, 0))
