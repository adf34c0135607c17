"""Clients of a node that the others do not reach are sent to these, once they own all there is."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any, cast

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.supervisors.node.left_out import AGAIN_S, LOOK_S, NOTICED_S, LeftOut
from greenroom.transports.sockets.goodbye import Pace


class Members:
    """As far as this is concerned."""

    def __init__(self) -> None:
        self.is_left_out = True
        self.here = 0
        self.others = 2

    def owned(self) -> int:
        return self.here

    def others_up(self) -> int:
        return self.others


class Door:
    """Clients, and when they were sent elsewhere."""

    def __init__(self) -> None:
        self.live = ["a client"]
        self.rounds: list[float] = []
        self.paces: list[Pace | None] = []
        self.asks_now: Callable[[], Pace | None] = lambda: None

    async def send_elsewhere(self, pace: Callable[[], Pace | None]) -> None:
        self.rounds.append(trio.current_time())
        self.paces.append(pace())
        self.asks_now = pace


@asynccontextmanager
async def minded(members: Members, door: Door) -> AsyncIterator[None]:
    with capture_logs():
        async with trio.open_nursery() as nursery:
            await nursery.start(LeftOut(cast(Any, door), cast(Any, members), connects_per_s=50.0).run)
            yield
            nursery.cancel_scope.cancel()


async def test_they_go_as_fast_as_the_others_take_them_and_who_comes_back_goes_again(autojump_clock: MockClock) -> None:
    members, door = Members(), Door()
    async with minded(members, door):
        await trio.sleep(NOTICED_S - 0.1)
        assert door.rounds == [], "others may still be brought here, and those who go come back"
        await trio.sleep(LOOK_S)
        assert len(door.rounds) == 1 and door.paces == [Pace(100.0, inf)]
        await trio.sleep(AGAIN_S)
        assert len(door.rounds) == 1
        await trio.sleep(LOOK_S)
        assert len(door.rounds) == 2
        members.is_left_out = False
        await trio.sleep(10 * AGAIN_S)
        assert len(door.rounds) == 2


@pytest.mark.parametrize(("name", "value", "before"), [("is_left_out", False, True), ("here", 1, 0), ("others", 0, 2)])
async def test_nobody_is_sent_away_while_this_node_is_of_use_or_nobody_else_is(
    name: str, value: int, before: int, autojump_clock: MockClock
) -> None:
    members, door = Members(), Door()
    setattr(members, name, value)
    async with minded(members, door):
        await trio.sleep(2 * NOTICED_S)
        assert door.rounds == []
        setattr(members, name, before)
        await trio.sleep(NOTICED_S + LOOK_S)
        assert len(door.rounds) == 1
        setattr(members, name, value)
        assert door.asks_now() is None, "amid a round, too"


async def test_where_nobody_is_nobody_is_sent_away(autojump_clock: MockClock) -> None:
    members, door = Members(), Door()
    door.live = []
    async with minded(members, door):
        await trio.sleep(2 * NOTICED_S)
        assert door.rounds == []
