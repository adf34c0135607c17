"""What the couriers' audit holds against the rows when all nodes have stopped."""

from typing import Any

import msgspec
import pytest

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.journal_memory import MemoryHead, MemoryRows
from greenroom.store.journal.records import Append, Head
from tests.simulation.courier_audit import CourierAudit

FIRST, LAST = 0x10000, 0x20000  # the numbers of what office:a sends office:b


def sent(seq: int) -> bytes:
    parcel = {"token": f"{seq:x}", "report": False, "fate": "silent"}
    message: Any = {"type": "office.deliver", "parcel": parcel}
    return msgspec.json.encode([[seq, "office:b", message, "", None]])


@pytest.mark.parametrize(
    ("handled", "waits", "is_well"),
    [
        (LAST, [], True),
        (FIRST, [LAST], True),  # sent while the last node stopped
        (LAST, [LAST], True),  # and handled, but not removed yet
        (FIRST, [], False),
        (0, [LAST], False),
    ],
)
def test_all_that_was_sent_is_handled_or_waits_in_the_outbox(handled: int, waits: list[int], is_well: bool) -> None:
    audit, rows = CourierAudit(), MemoryRows()
    for number, entity in enumerate(("office:a", "office:b"), start=1):
        rows.by_entity[entity] = MemoryHead(Head(number, entity, fence=1, epoch="e", offset=0), 1, "e", "")
    for seq in (FIRST, LAST):
        consequences = Consequences(outbox=Outbox([OutboxRow(seq >> 16, sent(seq))]))
        audit.committed("office:a", Append(1, 1, 0, [], consequences))
    rows.by_entity["office:a"].outbox.update({seq >> 16: sent(seq) for seq in waits})
    rows.by_entity["office:b"].marks[1] = handled
    if is_well:
        audit.stored(rows)
    else:
        with pytest.raises(AssertionError, match="has handled"):
            audit.stored(rows)
