"""What one append takes along: merged in order, counted, and landed in memory as in the database."""

from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.inline import (
    AS_IT_IS,
    REMOVED,
    SET,
    Inline,
    InlineRow,
    InlineTable,
    note_landed,
)
from greenroom.store.journal.consequences.letters import LetterRows, Letters, storable
from greenroom.store.journal.consequences.marks import MarkRows, Marks
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow, SentRows
from greenroom.store.journal.consequences.timers import TimerRow, TimerRows, Timers
from greenroom.store.journal.dead_letters import DeadLetter


def letter(text: str, *, number: int = 0, strikes: int = 1) -> DeadLetter:
    return DeadLetter(
        entity="room:a",
        message_type="room.send",
        payload=b"{}",
        principal="ann",
        error=text,
        traceback="",
        strikes=strikes,
        id=number,
    )


def test_what_comes_later_in_one_append_wins_where_there_can_be_only_one() -> None:
    first = Consequences(marks=Marks({1: 9, 2: 1}), timers=Timers({"a": TimerRow("a", 1, b"x"), "b": None}))
    later = Consequences(marks=Marks({1: 8, 3: 3}), timers=Timers({"a": None}), outbox=Outbox([OutboxRow(1, b"one")]))
    latest = Consequences(outbox=Outbox([OutboxRow(2, b"two")]))
    first.extend(later)
    first.extend(latest)
    assert first.marks == {1: 9, 2: 1, 3: 3}, "a mark never goes back"
    assert first.timers == {"a": None, "b": None}
    assert [row.offset for row in first.outbox or ()] == [1, 2]
    assert len(later.outbox or ()) == len(latest.outbox or ()) == 1, "theirs stay as they are"


def test_what_is_not_there_costs_nothing_and_the_rest_its_rows_and_bytes() -> None:
    assert Consequences().cost() == (0, 0) and not list(Consequences().each())
    some = Consequences(outbox=Outbox([OutboxRow(1, b"12345")]), timers=Timers({"ab": TimerRow("ab", 1, b"123")}))
    assert [name for name, _ in some.each()] == ["outbox", "timers"]
    assert some.cost() == (2, 5 + 5)


class Keeper:
    def skipped(self) -> None: ...


def row(before: int, through: int, what: int = AS_IT_IS, *values: object, number: int = 1, key: str = "a") -> InlineRow:
    table = InlineTable(number, ("text",), 0, ())
    return InlineRow(table, before, through, key, Keeper(), what, values, size=5 if what == SET and number == 1 else 0)


def test_of_rows_of_views_the_last_is_written_from_where_the_first_began() -> None:
    first = Consequences(inline=Inline({1: row(3, 4, SET, "x"), 2: row(3, 4, SET, "z", number=2)}))
    joined = Consequences()
    for one in (
        first,
        Consequences(inline=Inline({1: row(4, 6)})),
        Consequences(inline=Inline({1: row(6, 7, SET, "y")})),
        Consequences(inline=Inline({3: row(7, 8, REMOVED, number=3)})),
    ):
        joined.extend(one)
    assert joined.inline is not None and first.inline is not None
    found = {number: (one.before, one.through, one.what, one.values) for number, one in joined.inline.items()}
    assert found == {1: (3, 7, SET, ("y",)), 2: (3, 4, SET, ("z",)), 3: (7, 8, REMOVED, ())}
    assert first.inline[1].through == 4, "theirs stay as they are"
    assert joined.cost() == (3, 5 + 3 * 24)


def test_a_row_that_does_not_follow_on_the_one_before_is_left() -> None:
    joined = Consequences(inline=Inline({1: row(3, 4, SET, "x")}))
    joined.extend(Consequences(inline=Inline({1: row(6, 7, SET, "y")})))
    assert joined.inline is not None and joined.inline[1].through == 4
    joined.inline[1].has_landed = True
    assert joined.inline.is_folded(1, 4) and not joined.inline.is_folded(1, 7) and not joined.inline.is_folded(2, 4)


def test_of_two_rows_of_one_entity_the_first_is_written_and_the_other_left() -> None:
    """As where the fold names it by its key, and then by its whole name."""
    joined = Consequences(inline=Inline({1: row(3, 4, SET, "x")}))
    for what in (SET, REMOVED):
        joined.extend(Consequences(inline=Inline({1: row(4, 5, what, key="show:a")})))
    assert joined.inline is not None
    assert (joined.inline[1].through, joined.inline[1].key, joined.inline[1].values) == (4, "a", ("x",))

    joined = Consequences(inline=Inline({1: row(3, 4, key="")}))
    joined.extend(Consequences(inline=Inline({1: row(4, 5, SET, "y", key="show:a")})))
    joined.extend(Consequences(inline=Inline({1: row(5, 6, key="")})))
    assert joined.inline is not None
    assert (joined.inline[1].before, joined.inline[1].through, joined.inline[1].key) == (3, 6, "show:a")
    assert joined.inline[1].values == ("y",)


def test_what_has_landed_is_noted_by_table_and_entity() -> None:
    rows = {7: Inline({1: row(0, 1, SET, "x")}), 8: Inline({1: row(0, 1, REMOVED)}), 9: Inline({1: row(0, 1)})}
    rows[7][1].key = "seven"
    note_landed(rows, (None, 1, [7, 8], ["seven"], [30], [8], [31]))
    note_landed(rows, (None, 1, [], [], [], [], []))
    assert [(one[1].has_landed, one[1].revision) for one in rows.values()] == [(True, 30), (True, 31), (False, None)]


def test_they_land_in_the_head_and_letters_in_the_database() -> None:
    head, database = Tables(), Tables()
    head.of(TimerRows)["old"] = TimerRow("old", 1, b"")
    head.of(MarkRows)[1] = 9
    Consequences(
        outbox=Outbox([OutboxRow(1, b"one")]),
        marks=Marks({1: 8, 2: 2}),
        timers=Timers({"old": None, "new": TimerRow("new", 2, b"")}),
        letters=Letters([letter("x")]),
    ).land(head, database)
    assert head.of(SentRows) == {1: b"one"}
    assert head.of(MarkRows) == {1: 9, 2: 2}
    assert list(head.of(TimerRows)) == ["new"]
    assert [row.error for row in database.of(LetterRows).rows] == ["x"] and not head.of(LetterRows).rows


def test_letters_in_memory_are_bounded_kept_once_by_key_and_added_to_by_id() -> None:
    rows = LetterRows(kept_max=2)
    for text, key in (("a", 1), ("a again", 1), ("b", 2), ("c", 3)):
        rows.put(letter(text), key)
    assert [(row.id, row.error) for row in rows.rows] == [(2, "b"), (3, "c")]
    rows.put(letter("again", number=3, strikes=2))
    assert [(row.id, row.error, row.strikes) for row in rows.rows] == [(2, "b", 1), (3, "again", 3)]


def test_text_is_stored_without_what_postgres_has_no_room_for() -> None:
    assert storable("a\0b\ud800c") == "a␀b?c"
