"""What may be said of departures as they leave."""

from greenroom.actors.life.departures import Posted, TimersSet
from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.supervisors.kernel.cells.release import known_to_have_landed


def test_of_an_append_that_was_looked_up_nobody_says_that_its_receivers_were_never_told_anything() -> None:
    row = OutboxRow(offset=7, body=b"[]")
    posted = Posted(row, [], [], frozenset({"stock:book"}), at=3)
    landed = known_to_have_landed(posted)
    assert isinstance(landed, Posted) and landed.first_to == frozenset()
    assert (landed.row, landed.at) == (row, 3)
    for as_it_is in (landed, TimersSet([5])):
        assert known_to_have_landed(as_it_is) is as_it_is
