"""Hints: whom the committer's word reaches."""

from typing import Any

import pytest
import trio

from greenroom.actors.model.kinds import Kinds
from greenroom.store.errors import OutcomeLost
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.inline import Inline, InlineRow, InlineTable
from greenroom.store.journal.records import Append
from greenroom.supervisors.views.backlog import Backlog
from greenroom.supervisors.views.hints import Hints
from tests.actors.views.shows import Clapped, Show, Standings, stored
from tests.supervisors.views.stage import stage, until


class Keeper:
    def skipped(self) -> None: ...


def append(count: int = 1, head_id: int = 1) -> Append:
    return Append(head_id, 7, 4, stored([Clapped(user="ann")] * count, 4))


def test_who_listens_to_a_kind_hears_what_its_entities_record() -> None:
    hints = Hints(Kinds([Show]))
    one, other = Backlog(), Backlog()
    hints.listen(["show"], one)
    hints.committed([("show:a", append(2)), ("room:a", append())])
    hints.listen(["show"], other)
    hints.committed([("show:b", append(head_id=2)), ("show:c", Append(3, 7, 4, []))])
    assert [(s.entity, s.after, s.through, s.fence) for s in one.take(9)] == [("show:a", 4, 6, 7), ("show:b", 4, 5, 7)]
    assert [s.entity for s in other.take(9)] == ["show:b"]


def test_what_is_in_the_rows_with_its_append_is_not_told() -> None:
    """Of the table that it is in, and where it is all of it."""
    hints = Hints(Kinds([Show]))
    one, other = Backlog(), Backlog()
    hints.listen(["show"], one, 1)
    hints.listen(["show"], other, 2)

    def with_row(head_id: int, through: int, *, has_landed: bool) -> Append:
        row = InlineRow(InlineTable(1, (), 0, ()), 4, through, "a", Keeper(), has_landed=has_landed)
        made = append(2, head_id)
        made.consequences = Consequences(inline=Inline({1: row}))
        return made

    hints.committed([("show:a", with_row(1, 6, has_landed=True))])
    assert (one.waiting, other.waiting) == (0, 1)
    hints.committed([("show:b", with_row(2, 5, has_landed=True)), ("show:c", with_row(3, 6, has_landed=False))])
    assert (one.waiting, other.waiting) == (2, 3)


def test_who_has_left_hears_nothing() -> None:
    hints = Hints(Kinds([Show]))
    one, other = Backlog(), Backlog()
    hints.listen(["show"], one)
    hints.listen(["show"], other)
    hints.leave(["show"], one)
    hints.committed([("show:a", append())])
    assert (one.waiting, other.waiting) == (0, 1)
    hints.leave(["show"], other)
    hints.committed([("show:a", append())])
    assert other.waiting == 1


async def test_what_landed_though_its_outcome_was_lost_is_folded_without_a_sweep(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its entity has found out: the statement may have been under way until then."""
    async with stage(database_url, Standings) as made:
        (filled,) = made.runners.filled.values()
        await made.clap("a", "ann")
        await made.folded("standings")

        async def has_swept() -> bool:
            return filled.sweep.laps > 0

        await until(has_swept)
        monkeypatch.setattr(filled.sweep, "_lap", trio.sleep)  # no more of them
        append, losses = made.journal.append, [True]

        async def lose(appends: Any, *, lane: int) -> Any:
            outcomes = await append(appends, lane=lane)
            if losses:
                losses.clear()
                raise OutcomeLost("the test says so")
            return outcomes

        monkeypatch.setattr(made.journal, "append", lose)
        await made.clap("a", "ann")
        assert not losses
        await made.folded("standings")
        assert await made.rows("standings") == [("a", "ann", 2)]
