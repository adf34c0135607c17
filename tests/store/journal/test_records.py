"""What a claim may find wrong with what was loaded, what an append counts for, and positions over eras."""

from itertools import pairwise

import pytest

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.records import ROW_BYTES, Append, Claimed, Head, StoredEvent


def claimed(offset: int, events: list[int], *, since: int = 0, snapshot: bytes | None = None) -> Claimed:
    head = Head(1, "room:a", 1, "e", offset)
    return Claimed(head, snapshot, since, [StoredEvent(one, 0, b"{}") for one in events])


@pytest.mark.parametrize(
    ("found", "damage"),
    [
        (claimed(0, []), None),
        (claimed(2, [1, 2]), None),
        (claimed(4, [3, 4], since=2, snapshot=b"x"), None),
        (claimed(4, [2, 3, 4], since=2, snapshot=b"x"), None),
        (claimed(2, [], since=2, snapshot=b"x"), None),
        (claimed(2, [], since=2), "its head names a snapshot as of event 2, and there is none"),
        (claimed(3, [1, 2]), "its journal ends with event 2, its head says 3"),
        (claimed(3, []), "its journal ends with event 0, its head says 3"),
        (claimed(3, [2, 3]), "of its events 1 to 3 some are missing"),
        (claimed(4, [4], since=2, snapshot=b"x"), "of its events 3 to 4 some are missing"),
        (claimed(3, [1, 3]), "of its events 1 to 3 some are missing"),
    ],
)
def test_what_contradicts_itself_is_named(found: Claimed, damage: str | None) -> None:
    assert found.damage() == damage


def test_an_append_counts_rows_and_the_bytes_of_all_columns() -> None:
    event = StoredEvent(5, 0, b"12345", info=b"12", command_id="abc", reply=b"1234")
    assert Append(1, 1, 4, [event]).cost() == (1, 14 + ROW_BYTES)
    consequences = Consequences(outbox=Outbox([OutboxRow(5, b"1234567")]))
    assert Append(1, 1, 4, [event], consequences).cost() == (2, 21 + 2 * ROW_BYTES)
    assert Append(1, 1, 4, [], Consequences()).cost() == (1, ROW_BYTES), "even one of nothing"
    assert Append(1, 1, 4, [event]).through == 5


def test_positions_rise_with_the_offset_and_with_each_era() -> None:
    positions = [
        Head(1, "room:a", 1, "e", 0, era=era).position(offset)
        for era, offset in ((0, 1), (0, 1 << 31), (1, 1), (1, 1 << 33), (4, 1))
    ]
    assert all(earlier < later for earlier, later in pairwise(positions))
