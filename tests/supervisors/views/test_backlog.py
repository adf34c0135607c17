"""The backlog: what waits, within its bounds."""

from typing import Any

import pytest
import trio
import trio.testing

from greenroom.actors.model.message import Event
from greenroom.actors.views.stretch import Stretch, beginning
from greenroom.supervisors.views.backlog import MANY, REST_MAX_S, REST_S, ROOM, Backlog
from tests.actors.views.shows import Clapped, Renamed, stretch


def heard(head_id: int, after: int = 0, count: int = 1) -> Stretch:
    return stretch("show:a", *(Clapped(user="ann") for _ in range(count)), head_id=head_id, after=after, fence=1)


def ends(stretches: list[Stretch]) -> list[tuple[int, int]]:
    return [(one.head_id, one.through) for one in stretches]


def test_what_waits_longest_comes_first_and_an_entitys_in_order() -> None:
    backlog = Backlog()
    for one in (heard(2), heard(1), heard(2, after=1), heard(3)):
        backlog.hear(one)
    assert backlog.waiting == 3
    assert ends(backlog.take(10)) == [(2, 1), (2, 2), (1, 1), (3, 1)]
    assert backlog.take(10) == [] and backlog.bytes == 0


def test_a_batch_takes_what_fits_and_one_at_least() -> None:
    backlog = Backlog()
    for one in (heard(1, count=6), heard(1, after=6, count=6), heard(2, count=2)):
        backlog.hear(one)
    assert ends(backlog.take(5)) == [(1, 6)]
    assert ends(backlog.take(7)) == [(1, 12)]
    assert ends(backlog.take(7)) == [(2, 2)]


@pytest.mark.bound("events that wait to be folded into one table of a view")
def test_too_many_bytes_leave_the_head_alone() -> None:
    one = heard(1, count=10)
    backlog = Backlog(bytes_max=2 * one.bytes)
    backlog.hear(one)
    backlog.hear(heard(2, count=10))
    backlog.hear(heard(2, after=10, count=10))  # beyond: what was heard of that entity goes too, or it would be a hole
    assert backlog.take_behind(10) == [2]
    assert ends(backlog.take(100)) == [(1, 10)] and backlog.bytes == 0


def test_an_entity_that_is_behind_is_read_and_not_heard() -> None:
    backlog = Backlog()
    backlog.fall_behind((1,))
    backlog.hear(heard(1))
    assert backlog.take(10) == [] and backlog.behind == 1


def hinted(head_id: int, after: int, *events: Event) -> Stretch:
    return stretch("show:a", *events, head_id=head_id, after=after, fence=1)


def resting_backlog() -> Backlog:
    backlog = Backlog(wanted=(beginning(Clapped),))
    backlog.rests = True
    return backlog


async def test_what_says_nothing_to_the_view_rests_and_then_comes_together(autojump_clock: Any) -> None:
    backlog = resting_backlog()
    began = trio.current_time()
    for one in (hinted(1, 0, Renamed(title="x")), hinted(2, 0, Renamed(title="y")), hinted(1, 1, Renamed(title="z"))):
        backlog.hear(one)
    assert backlog.take(10) == [] and backlog.waiting == 0 and backlog.bytes > 0
    await backlog.more()
    assert trio.current_time() == began + REST_S
    assert ends(backlog.take(10)) == [(1, 1), (1, 2), (2, 1)] and backlog.bytes == 0


async def test_where_many_rest_they_rest_longer(autojump_clock: Any) -> None:
    backlog = resting_backlog()
    began = trio.current_time()
    for number in range(MANY):
        backlog.hear(hinted(number, 0, Renamed(title="x")))
    await trio.sleep(REST_S)
    assert backlog.take(MANY) == []
    backlog.hear(hinted(1, 1, Renamed(title="y")))
    await backlog.more()
    assert trio.current_time() == began + REST_MAX_S
    assert len(backlog.take(2 * MANY)) == MANY + 1


async def test_what_rests_goes_before_what_follows_of_the_same_entity(autojump_clock: Any) -> None:
    backlog = resting_backlog()
    backlog.hear(hinted(1, 0, Renamed(title="x")))
    backlog.hear(hinted(2, 0, Renamed(title="y")))
    backlog.hear(hinted(1, 1, Clapped(user="ann")))
    backlog.hear(hinted(1, 2, Renamed(title="z")))
    assert ends(backlog.take(10)) == [(1, 1), (1, 2), (1, 3)], "nobody waits for a row"
    backlog.forget(2)
    assert backlog.bytes == 0


async def test_a_busy_view_takes_what_has_rested_all_the_same(autojump_clock: Any) -> None:
    backlog = resting_backlog()
    backlog.hear(hinted(1, 0, Renamed(title="x")))
    await trio.sleep(REST_S)
    backlog.hear(hinted(2, 0, Clapped(user="ann")))
    assert ends(backlog.take(10)) == [(2, 1), (1, 1)]


async def test_whoever_waits_for_more_hears_of_what_begins_to_rest(autojump_clock: Any) -> None:
    backlog = resting_backlog()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(backlog.more)
        await trio.testing.wait_all_tasks_blocked()
        backlog.hear(hinted(1, 0, Renamed(title="x")))
        began = trio.current_time()
    assert trio.current_time() == began + REST_S


def test_nothing_rests_of_a_table_that_is_being_filled_nor_what_is_not_known() -> None:
    backlog = resting_backlog()
    backlog.rests = False
    backlog.hear(hinted(1, 0, Renamed(title="x")))
    backlog.rests = True
    strange = hinted(2, 0, Renamed(title="y"))
    strange.stored[0].payload = b'{ "type": "show.renamed"}'
    backlog.hear(strange)
    assert ends(backlog.take(10)) == [(1, 1), (2, 1)]
    backlog = Backlog()
    backlog.rests = True
    backlog.hear(hinted(1, 0, Renamed(title="x")))
    assert ends(backlog.take(10)) == [(1, 1)], "of a sink"


@pytest.mark.bound("entities remembered so")
def test_too_many_heads_are_left_to_a_sweep() -> None:
    backlog = Backlog(heads_max=3)
    backlog.fall_behind(range(3))
    assert not backlog.swept_away
    backlog.fall_behind((2, 3))
    assert (backlog.swept_away, backlog.behind) == (True, 3)


def test_what_is_forgotten_is_for_a_sweep_to_find() -> None:
    backlog = Backlog()
    backlog.hear(heard(1))
    backlog.fall_behind((2,))
    backlog.forget_all()
    assert (backlog.waiting, backlog.bytes, backlog.swept_away) == (0, 0, True)


async def test_who_waits_for_more_is_woken_by_it() -> None:
    backlog = Backlog()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(backlog.more)
        await trio.testing.wait_all_tasks_blocked()
        backlog.hear(heard(1))
    backlog.take(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(backlog.more)
        await trio.testing.wait_all_tasks_blocked()
        backlog.fall_behind((1,))


async def test_a_sweep_waits_for_room() -> None:
    backlog = Backlog(heads_max=2 * ROOM)
    backlog.fall_behind(range(ROOM + 1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(backlog.room)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        backlog.take_behind(2)


async def test_a_sweep_of_a_small_backlog_waits_until_it_is_empty() -> None:
    backlog = Backlog(heads_max=3)
    backlog.fall_behind(range(2))
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(backlog.room)
            await trio.testing.wait_all_tasks_blocked()
            backlog.take_behind(1)
            await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks
            backlog.take_behind(1)
