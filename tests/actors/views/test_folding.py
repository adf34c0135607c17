"""What folding makes of a batch: rows asked for and loaded, entities parked, batches cut short."""

from typing import Any

import pytest
from msgspec import Struct

from greenroom import Event, Key, Origin, View
from greenroom.actors.life.turn import Turn
from greenroom.actors.views.folding import (
    BATCH_ROWS_MAX,
    INDEXED_BYTES_MAX,
    RESTARTS_MAX,
    ROUNDS_MAX,
    ROW_BYTES_MAX,
    ROWS_MAX,
    Folded,
    Folding,
    Unplaceable,
    cut,
)
from greenroom.actors.views.stretch import Stretch
from tests.actors.views.shows import (
    Clapped,
    Closed,
    Directory,
    Everything,
    Renamed,
    Standings,
    Summary,
    installed,
    stretch,
)

Rows = dict[tuple[Any, ...], tuple[Any, ...]]


def folded(view: type[View], *stretches: Stretch, rows: Rows | None = None) -> Folded:
    """Folded over these stored rows, by key."""
    folding = Folding(installed(view), stretches, Turn())
    for _ in range(1_000):
        found = folding.run()
        if found is not None:
            return found
        assert folding.missing
        folding.load({key: (rows or {}).get(key) for key in folding.missing})
    raise AssertionError("it asks for rows for ever")


def test_a_row_that_is_new_has_its_keys_and_what_the_fold_gave_it() -> None:
    found = folded(Standings, stretch("show:finale", Clapped(user="ann", times=2), Clapped(user="ann", times=3)))
    assert found.inserted == [("finale", "ann", 5)]
    assert (found.updated, found.removed, found.parked, found.left) == ([], [], {}, [])
    assert found.through == {1: 2}


def test_a_row_that_is_there_goes_on_from_what_is_stored() -> None:
    rows: Rows = {("finale", "ann"): ("finale", "ann", 40)}
    found = folded(Standings, stretch("show:finale", Clapped(user="ann", times=2)), rows=rows)
    assert (found.inserted, found.updated) == ([], [("finale", "ann", 42)])


def test_a_row_that_is_as_it_was_is_not_written() -> None:
    rows: Rows = {("finale", "ann"): ("finale", "ann", 40)}
    found = folded(Standings, stretch("show:finale", Clapped(user="ann", times=0)), rows=rows)
    assert (found.inserted, found.updated, found.removed) == ([], [], [])
    assert found.through == {1: 1}


def test_what_a_list_holds_is_compared_and_not_how_the_server_writes_it() -> None:
    rows: Rows = {("finale",): ("finale", "", 0, '["ann", "bob"]')}
    assert folded(Directory, stretch("show:finale", Renamed(title="")), rows=rows).updated == []
    found = folded(Directory, stretch("show:finale", Clapped(user="cyd")), rows=rows)
    assert found.updated == [("finale", "", 1, '["ann","bob","cyd"]')]


def test_a_row_is_removed_and_comes_back() -> None:
    rows: Rows = {("finale",): ("finale", "old", 7, "[]")}
    gone = stretch("show:finale", Closed())
    assert folded(Directory, gone, rows=rows).removed == [("finale",)]
    assert folded(Directory, gone).removed == []  # it never was there
    back = stretch("show:finale", Closed(), Renamed(title="new"))
    assert folded(Directory, back, rows=rows).updated == [("finale", "new", 0, "[]")]


def test_many_events_of_one_row_write_it_once() -> None:
    stretches = [
        stretch(f"show:{number}", *(Clapped(user="ann") for _ in range(10)), head_id=number) for number in range(1, 21)
    ]
    assert folded(Everything, *stretches).inserted == [("claps", 200)]


def test_an_entity_whose_event_raises_is_parked_before_it_and_all_others_go_on() -> None:
    found = folded(
        Standings,
        stretch("show:a", Clapped(user="ann"), Clapped(user="poison"), Clapped(user="ann"), head_id=1),
        stretch("show:b", Clapped(user="bob"), head_id=2),
    )
    assert found.inserted == [("a", "ann", 1), ("b", "bob", 1)]
    assert found.through == {1: 1, 2: 1}
    assert found.parked[1].offset == 2 and "poison" in found.parked[1].error
    assert "in fold" in found.parked[1].traceback


class Half(View, name="half"):
    """Raises after it has changed a row that others share."""

    of = (Clapped,)

    class Row(Struct):
        what: Key[str]
        claps: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(what="claps").claps += event.times
        if event.user == "poison":
            raise ValueError("too late")


def test_what_an_event_had_done_before_it_raised_is_undone() -> None:
    found = folded(
        Half,
        stretch("show:a", Clapped(user="ann"), Clapped(user="poison", times=100), head_id=1),
        stretch("show:b", Clapped(user="bob"), head_id=2),
    )
    assert found.inserted == [("claps", 2)]
    assert found.through == {1: 1, 2: 1} and list(found.parked) == [1]


def test_a_batch_of_poison_is_cut_short_and_what_is_left_is_folded_later() -> None:
    """Each entity that raises after it has touched rows has the batch begun again: not for all of a large one."""
    stretches = [stretch(f"show:{number}", Clapped(user="poison"), head_id=number) for number in range(1, 31)]
    found = folded(Half, *stretches)
    assert len(found.parked) == RESTARTS_MAX and len(found.left) == 30 - RESTARTS_MAX
    assert found.inserted == []
    assert set(found.through) == set(found.parked)


class Chain(View, name="chain"):
    """Each row names the next one: which rows it needs shows only in others."""

    of = (Clapped,)

    class Row(Struct):
        number: Key[int]
        following: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        number = event.times
        while (row := self.find(number=number)) is not None and row.following:
            number = row.following
        self.row(number=number)


def chain(length: int) -> Rows:
    return {(number,): (number, number + 1 if number < length else 0) for number in range(1, length + 1)}


def test_rows_that_only_other_rows_name_are_loaded_one_after_another() -> None:
    found = folded(Chain, stretch("show:a", Clapped(user="ann", times=1)), rows=chain(3 * ROUNDS_MAX))
    assert found.through == {1: 1} and not found.parked


def test_an_event_that_asks_for_ever_is_parked() -> None:
    found = folded(Chain, stretch("show:a", Clapped(user="ann", times=1)), rows=chain(10 * ROUNDS_MAX))
    assert found.through == {1: 0}
    assert "again" in found.parked[1].error


def test_a_batch_that_asks_again_and_again_is_cut_and_nobody_is_parked() -> None:
    rows = chain(2 * ROUNDS_MAX)
    stretches = [
        stretch(f"show:{number}", Clapped(user="ann", times=1), Clapped(user="ann", times=1), head_id=number)
        for number in range(1, 5)
    ]
    found = folded(Chain, *stretches, rows=rows)
    assert found.left and not found.parked


class Wide(View, name="wide"):
    of = (Clapped,)

    class Row(Struct):
        number: Key[int]
        text: str = ""

    def fold(self, event: Clapped, of: Origin) -> None:
        for number in range(event.times):
            self.row(number=number).text = event.user


@pytest.mark.bound("rows that one event of a view may touch")
def test_an_event_that_touches_too_many_rows_is_parked() -> None:
    assert not folded(Wide, stretch("show:a", Clapped(user="ann", times=ROWS_MAX))).parked
    found = folded(Wide, stretch("show:a", Clapped(user="ann", times=ROWS_MAX + 1)))
    assert found.inserted == [] and "1000 rows" in found.parked[1].error


class Spread(View, name="spread"):
    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        number: Key[int]

    def fold(self, event: Clapped, of: Origin) -> None:
        for number in range(event.times):
            self.row(show=of.key, number=number)


@pytest.mark.bound("rows that one batch of a view touches")
def test_a_batch_that_touches_too_many_rows_is_cut() -> None:
    stretches = [
        stretch(f"show:{number}", Clapped(user="ann", times=ROWS_MAX), head_id=number)
        for number in range(1, BATCH_ROWS_MAX // ROWS_MAX + 10)
    ]
    found = folded(Spread, *stretches)
    assert len(found.inserted) == BATCH_ROWS_MAX + ROWS_MAX
    assert len(found.left) == 8


@pytest.mark.bound("bytes of a row of a view")
def test_what_fits_in_no_column_is_nobodys_until_it_is_alone() -> None:
    events = [Clapped(user="x" * (ROW_BYTES_MAX + 1), times=1), Clapped(user="ann", times=0)]
    with pytest.raises(Unplaceable, match="at most"):
        folded(Wide, stretch("show:a", *events[:1], head_id=1), stretch("show:b", *events[1:], head_id=2))
    alone = Folding(installed(Wide), [stretch("show:a", events[0])], Turn())
    found = alone.park_only(ValueError("too large"))
    assert found.parked[1].offset == 1 and found.through == {1: 0}


@pytest.mark.bound("bytes of a row's keys, and of what it is filtered by or in the order of")
def test_what_has_no_room_in_an_index_is_refused_by_name() -> None:
    """Compressed it might have, and then no cursor could say it."""
    fits = stretch("show:a", Clapped(user="ä" * ((INDEXED_BYTES_MAX - len("a")) // 2)))
    assert len(folded(Standings, fits).inserted) == 1
    with pytest.raises(Unplaceable, match=f"at most {INDEXED_BYTES_MAX} have room"):
        folded(Standings, stretch("show:a", Clapped(user="ä" * (INDEXED_BYTES_MAX // 2))))
    long = stretch("show:a", Renamed(title="x" * (2 * INDEXED_BYTES_MAX)))
    assert len(folded(Directory, long).inserted) == 1, "it is in no index"


class Rekeying(View, name="rekeying"):
    of = (Clapped,)

    class Row(Struct):
        user: Key[str]
        claps: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(user=event.user).user = "another"


def test_a_fold_that_changes_a_key_is_parked() -> None:
    found = folded(Rekeying, stretch("show:a", Clapped(user="ann")))
    assert found.inserted == [] and "keys of a row do not change" in found.parked[1].error


class Mistaken(View, name="mistaken"):
    of = (Clapped,)

    class Row(Struct):
        user: Key[str]
        claps: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        match event.user:
            case "no key":
                self.row()
            case "another key":
                self.row(show="a")
            case "wrong type":
                self.row(user=5)
            case "not a row":
                del self["ann"]
            case "gone":
                row = self.row(user="ann")
                del self[row]
                del self[row]


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("no key", "its keys, user, not by nothing"),
        ("another key", "its keys, user, not by show"),
        ("wrong type", "5 is no str"),
        ("not a row", "takes a row"),
        ("gone", "no such row"),
    ],
)
def test_a_mistake_in_a_fold_is_told(user: str, said: str) -> None:
    assert said in folded(Mistaken, stretch("show:a", Clapped(user=user))).parked[1].error


def test_what_can_not_be_decoded_parks_its_entity_behind_what_can() -> None:
    whole = stretch("show:a", Clapped(user="ann"), Clapped(user="ann"), Clapped(user="ann"))
    whole.stored[1].payload = b'{"type":"show.forgotten"}'
    found = folded(Standings, whole)
    assert found.inserted == [("a", "ann", 1)] and found.through == {1: 1}
    assert found.parked[1].offset == 2 and "show.forgotten" in found.parked[1].error


class Seeded(View, name="seeded"):
    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        claps: int = 0

    def seed(self, state: Any, of: Origin) -> None:
        if state.title == "poison":
            raise ValueError("poison")
        self.row(show=of.key).claps = state.total

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(show=of.key).claps += event.times


def test_an_entity_begins_from_its_state() -> None:
    begun = stretch("show:a", Clapped(user="ann"), after=40, state=(b'{"total":100}', 5_000))
    found = folded(Seeded, begun)
    assert found.inserted == [("a", 101)] and found.through == {1: 41}


@pytest.mark.parametrize("state", [b'{"title":"poison"}', b'{"total":"no number"}', b"{"])
def test_a_state_that_is_no_beginning_parks_its_entity_where_it_was(state: bytes) -> None:
    found = folded(Seeded, stretch("show:a", Clapped(user="ann"), after=40, state=(state, 5_000)))
    assert found.inserted == [] and found.through == {1: 0}
    assert found.parked[1].offset == 40


def test_several_stretches_of_one_entity_follow_one_another() -> None:
    found = folded(
        Standings,
        stretch("show:a", Clapped(user="ann"), Clapped(user="ann")),
        stretch("show:a", Clapped(user="poison"), Clapped(user="ann"), after=2),
        stretch("show:a", Clapped(user="ann"), after=4),
    )
    assert found.inserted == [("a", "ann", 2)]
    assert found.through == {1: 2} and found.parked[1].offset == 3


class Forgetful(View, name="forgetful"):
    """Takes what it is given for what is stored, and fails on a row that is none."""

    of = (Clapped,)

    class Row(Struct):
        user: Key[str]
        claps: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        row = self.row(user=event.user)
        assert row.claps >= 10
        row.claps += 1


def test_what_a_fold_says_of_rows_that_are_not_loaded_counts_for_nothing() -> None:
    found = folded(Forgetful, stretch("show:a", Clapped(user="ann")), rows={("ann",): ("ann", 10)})
    assert found.updated == [("ann", 11)] and not found.parked


def test_events_that_a_view_is_not_told_of_move_it_on() -> None:
    found = folded(Everything, stretch("show:a", Renamed(title="x"), Closed()))
    assert found.inserted == [] and found.through == {1: 2}


def test_the_fold_of_an_inline_view_has_the_row_of_its_entity_alone() -> None:
    found = folded(
        Summary,
        stretch("show:a", Clapped(user="show b"), Clapped(user="ann"), head_id=1),
        stretch("show:b", Clapped(user="show show:b"), head_id=2),
        stretch("show:c", Clapped(user="show c"), head_id=3),
    )
    assert [values[0] for values in found.inserted] == ["c", "show:b"]
    assert found.parked[1].offset == 1 and "is not the row of the event's entity" in found.parked[1].error
    assert found.through == {1: 0, 2: 1, 3: 1}


def test_halves() -> None:
    a = stretch("show:a", *(Clapped(user="ann"), Clapped(user="bob"), Clapped(user="cyd")))
    b = stretch("show:b", Clapped(user="ann"), head_id=2)
    assert cut([a, b]) == ([a], [b])
    first, second = cut([a])
    assert [(one.after, one.through) for one in (*first, *second)] == [(0, 1), (1, 3)]
    assert cut([b]) == ([b], [])


def test_the_turn_says_which_event_is_being_folded() -> None:
    turn = Turn()
    seen: list[tuple[Any, Any]] = []

    class Watched(View, name="watched"):
        of = (Clapped,)

        class Row(Struct):
            user: Key[str]

        def fold(self, event: Event, of: Origin) -> None:
            seen.append((turn.item, getattr(turn.owner, "entity", None)))

    Folding(installed(Watched), [stretch("show:a", Clapped(user="ann"))], turn).run()
    assert seen == [(Clapped(user="ann"), "show:a")] and turn.item is None


class Looped(View, name="looped"):
    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        tags: list[Any] = []

    def fold(self, event: Clapped, of: Origin) -> None:
        row = self.row(show=of.key)
        row.tags.append(row.tags if event.user == "itself" else event.user)


def test_a_row_that_can_not_be_written_down_at_all_is_nobodys_until_it_is_alone() -> None:
    with pytest.raises(Unplaceable):
        folded(Looped, stretch("show:a", Clapped(user="itself")))
