"""Who may do something at once, who waits, and who is turned away."""

import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.errors import Overloaded
from greenroom.actors.views.turns import Turns


class Hall:
    """Each who comes stays until the test lets them go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.inside: list[str] = []
        self.leave: dict[str, trio.Event] = {}

    async def come(self, name: str, who: str) -> None:
        self.leave[name] = trio.Event()
        async with self.turns.turn(who):
            self.inside.append(name)
            await self.leave[name].wait()
            self.inside.remove(name)


async def test_others_wait_within_a_bound(autojump_clock: MockClock) -> None:
    hall = Hall(Turns("search", at_once=1, most=2, of_one=2))
    async with trio.open_nursery() as nursery:
        for name in ("first", "second"):
            nursery.start_soon(hall.come, name, name)
        await wait_all_tasks_blocked()
        (inside,) = hall.inside
        with pytest.raises(Overloaded, match="too many search"):
            await hall.come("third", "")
        hall.leave[inside].set()
        await wait_all_tasks_blocked()
        assert len(hall.inside) == 1 and hall.inside != [inside]
        nursery.start_soon(hall.come, "third", "")
        await wait_all_tasks_blocked()
        assert hall.turns.held == 2
        nursery.cancel_scope.cancel()
    assert hall.turns.held == 0


async def test_one_user_has_not_all_of_it(autojump_clock: MockClock) -> None:
    hall = Hall(Turns("search", at_once=1, most=9, of_one=2))
    async with trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(hall.come, f"ann {number}", "ann")
        await wait_all_tasks_blocked()
        with pytest.raises(Overloaded):
            await hall.come("ann 2", "ann")
        for number in range(3):
            nursery.start_soon(hall.come, f"bob or nobody {number}", "bob" if number < 2 else "")
        nursery.start_soon(hall.come, "nobody, too", "")
        await wait_all_tasks_blocked()
        assert hall.turns.held == 6
        nursery.cancel_scope.cancel()
    with trio.CancelScope() as scope:
        async with hall.turns.turn("ann"):
            scope.cancel()
    assert hall.turns._of == {}, "nothing is remembered of who has left"


async def test_one_user_is_in_half_of_it_at_most(autojump_clock: MockClock) -> None:
    """And who waits until their own have left keeps nobody out."""
    hall = Hall(Turns("search", at_once=4, most=9, of_one=4))
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(hall.come, f"ann {number}", "ann")
        await wait_all_tasks_blocked()
        assert len(hall.inside) == 2
        for name, who in (("bob", "bob"), ("staff", "")):
            nursery.start_soon(hall.come, name, who)
        await wait_all_tasks_blocked()
        assert sorted(hall.inside)[2:] == ["bob", "staff"]
        hall.leave[hall.inside[0]].set()
        await wait_all_tasks_blocked()
        assert [name[:3] for name in sorted(hall.inside)] == ["ann", "ann", "bob", "sta"]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("at_once", "who"), [(1, "ann"), (4, ""), (math.inf, "ann")])
async def test_where_half_is_none_or_all(at_once: float, who: str, autojump_clock: MockClock) -> None:
    hall = Hall(Turns("search", at_once=at_once, most=9, of_one=9))
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(hall.come, str(number), who)
        await wait_all_tasks_blocked()
        assert len(hall.inside) == min(at_once, 5)
        nursery.cancel_scope.cancel()
