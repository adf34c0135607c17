"""Own rows: which rows an activation has in memory, and what is written with an append."""

from typing import Any

import pytest
from msgspec import Struct, field

from greenroom import Event, Key, Origin, View
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.installed import Installed
from greenroom.store.journal.consequences.inline import AS_IT_IS, REMOVED, SET, Inline
from greenroom.store.views.inline import Own, inline_table
from greenroom.store.views.store import Version
from greenroom.supervisors.views import own_rows
from greenroom.supervisors.views.own_rows import ROW_BYTES_MAX, Live, OwnRows, its_own
from tests.actors.views.shows import Clapped, Closed, Renamed, Show, Summary, installed, stored


def live_of(view: Installed, number: int = 5) -> Live:
    version = Version(
        id=number, name=view.name, version=view.version, build=1, shape=view.shape, kinds=view.kinds, state="live",
        paused=False, rung=0, age_s=1.0,
    )  # fmt: skip
    return Live(view, version, inline_table(version))


class Place:
    """An activation of show:finale, with rows that are in step."""

    def __init__(self, *views: type[View], offset: int = 0, rows: Any = ()) -> None:
        self.views = [installed(view) for view in views or (Summary,)]
        self.live: dict[str, Live] = {}
        for number, view in enumerate(self.views, 5):
            self.live[view.name] = live_of(view, number)
        self.behind: list[OwnRows] = []
        self.rows = OwnRows(
            Kinds((Show,))["show"],
            "show:finale",
            1,
            offset,
            self.views,
            turn=Turn(),
            live=self.live.get,
            behind=self.behind.append,
        )
        for live in self.live.values():
            self.rows.learn(live, Own(offset, is_parked=False, rows=[(values, 1) for values in rows]))

    def fold(self, *events: Event) -> Inline | None:
        return self.rows.fold(self.rows.offset, stored(events, self.rows.offset))

    def folded(self, *events: Event) -> Any:
        inline = self.fold(*events)
        assert inline is not None
        (row,) = inline.values()
        return (row.before, row.through, row.what, tuple(row.values[:2]))


def test_each_append_writes_what_its_events_make_of_the_row_before() -> None:
    place = Place()
    assert place.folded(Clapped(user="ann", times=2)) == (0, 1, SET, ("finale", 2))
    assert place.folded(Renamed(title="x")) == (1, 2, AS_IT_IS, ())
    assert place.folded(Clapped(user="ann"), Clapped(user="bob")) == (2, 4, SET, ("finale", 4))
    assert place.folded(Closed()) == (4, 5, REMOVED, ())
    assert place.folded(Clapped(user="ann"), Closed()) == (5, 7, AS_IT_IS, ())
    assert place.folded(Clapped(user="ann")) == (7, 8, SET, ("finale", 1))
    assert not place.behind


def test_of_what_says_nothing_to_the_view_nothing_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    monkeypatch.setattr(own_rows, "Folding", None)
    assert place.folded(Renamed(title="x"), Renamed(title="y")) == (0, 2, AS_IT_IS, ())


def test_it_goes_on_from_the_row_that_there_is() -> None:
    place = Place(offset=9, rows=[("finale", 40, "", '["ann"]')])
    assert place.folded(Clapped(user="ann", times=2)) == (9, 10, SET, ("finale", 42))


def test_a_row_that_is_not_as_far_or_is_parked_is_not_in_step() -> None:
    for own in (Own(8, is_parked=False, rows=[]), Own(9, is_parked=True, rows=[]), Own(-1, is_parked=False, rows=[])):
        place = Place(offset=9)
        (row,) = place.rows.rows
        row.skipped()
        place.rows.learn(place.live["summary"], own)
        assert place.rows.lacks(place.live["summary"])
        assert place.fold(Clapped(user="ann")) is None and place.behind == [place.rows]


def test_a_fold_that_raises_leaves_the_row_to_the_runner_until_it_is_learnt_anew() -> None:
    place = Place()
    assert place.fold(Clapped(user="ann"), Clapped(user="poison")) is None
    assert place.fold(Clapped(user="ann")) is None and place.rows.offset == 3
    place.rows.learn(place.live["summary"], Own(2, is_parked=False, rows=[]))
    assert place.fold(Clapped(user="ann")) is None
    place.rows.learn(place.live["summary"], Own(4, is_parked=False, rows=[(("finale", 5, "", "[]"), 3)]))
    assert place.folded(Clapped(user="ann")) == (4, 5, SET, ("finale", 6))


def test_a_fold_that_asks_for_another_row_leaves_it_to_the_runner() -> None:
    assert Place().fold(Clapped(user="show other")) is None
    assert Place().folded(Clapped(user="show finale")) == (0, 1, SET, ("finale", 1))


def test_a_row_that_was_skipped_or_whose_table_is_not_served_is_not_written() -> None:
    place = Place()
    place.rows.rows[0].skipped()
    assert place.fold(Clapped(user="ann")) is None
    place = Place()
    place.live["summary"] = live_of(place.views[0], 6)
    assert place.fold(Clapped(user="ann")) is None and place.behind
    place = Place()
    del place.live["summary"]
    assert place.fold(Clapped(user="ann")) is None and not place.behind  # there is nothing to come back to


def test_a_large_row_is_neither_kept_in_memory_nor_read_again() -> None:
    place = Place()
    assert place.fold(Clapped(user="a" * ROW_BYTES_MAX)) is None
    assert not place.rows.lacks(place.live["summary"])
    place = Place(offset=1, rows=[("finale", 1, "", "x" * 70_000)])
    assert place.fold(Clapped(user="ann")) is None
    assert not place.rows.lacks(place.live["summary"]) and not place.behind


def test_the_row_of_another_whose_name_is_this_ones_key_is_not_its_own() -> None:
    own = Own(1, is_parked=False, rows=[(("show:a", 1, "", "[]"), 3), (("show:show:a", 2, "", "[]"), 4)])
    found = its_own(installed(Summary), "show:show:a", own)
    assert found == Own(1, is_parked=False, rows=own.rows[1:])
    assert its_own(installed(Summary), "show:a", own).rows == own.rows[:1]


class ByName(View, name="by_name", inline=True):
    """Keyed by the entity's whole name, where it has been renamed by its key: no fold does both."""

    of = (Clapped, Renamed)

    class Row(Struct):
        show: Key[str]
        claps: int = 0

    entity_key = "show"

    def fold(self, event: Event, of: Origin) -> None:
        self.row(show=of.entity if isinstance(event, Clapped) else of.key).claps += 1


def test_of_two_views_one_may_leave_its_row_and_the_other_write_it() -> None:
    place = Place(Summary, ByName)
    inline = place.fold(Clapped(user="poison"))
    assert inline is not None and list(inline) == [6] and inline[6].key == "show:finale"
    assert place.fold(Clapped(user="ann"), Renamed(title="x")) is None  # two rows


class WithNames(View, version=1, inline=True):
    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        names: dict[str, int] = field(default_factory=dict)

    entity_key = "show"

    def fold(self, event: Clapped, of: Origin) -> None:
        row = self.find(show=of.key)
        assert row is not None
        row.names = {**row.names, event.user: event.times}


def test_json_is_compared_as_a_fold_writes_it_whoever_has_written_what_there_was() -> None:
    place = Place(WithNames, offset=1, rows=[("finale", '{"ann": 1}')])  # as the server has it
    assert place.folded(Clapped(user="ann", times=1))[2] == AS_IT_IS
    assert place.folded(Clapped(user="ann", times=2))[2:] == (SET, ("finale", '{"ann":2}'))
    assert place.folded(Clapped(user="ann", times=2))[2] == AS_IT_IS
    assert place.folded(Clapped(user="ann", times=3))[2:] == (SET, ("finale", '{"ann":3}'))
