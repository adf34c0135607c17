"""How fast clients are let go, and when they come to other nodes."""

import random
from collections import Counter
from math import inf

import pytest
import trio
from trio.testing import MockClock

from greenroom.transports.sockets.admission import Admission
from greenroom.transports.sockets.goodbye import (
    AGAIN_MAX_S,
    ANSWERED_S,
    EVERY_S,
    HEARD_S,
    Goodbye,
    Pace,
    at_the_same_time,
)
from greenroom.transports.sockets.live import LiveConnections

MANY = 10_000


class Connection:
    """As far as a goodbye is concerned."""

    open = True
    protocol: object = None


class Client:
    """One that comes to another node `delay_s` after it was told to: as told, where None."""

    def __init__(self, connects: list[float], delay_s: float | None = 0.0, *, answered_at: float = 0.0) -> None:
        self.left_at: float | None = None
        self.told_at: float | None = None
        self._connects = connects
        self._delay_s = delay_s
        self._answered_at = answered_at

    @property
    def busy(self) -> bool:
        return trio.current_time() < self._answered_at

    def leave(self) -> None:
        assert self.told_at is None
        self.left_at = trio.current_time()

    def shut_down(self, again_ms: int) -> None:
        assert self.left_at is not None and self.told_at is None
        self.told_at = trio.current_time()
        self._connects.append(self.told_at + (again_ms / 1000 if self._delay_s is None else self._delay_s))


class Flusher:
    def flush(self) -> None:
        pass


def goodbye(clients: list[Client]) -> Goodbye:
    live = LiveConnections(Admission.__new__(Admission))
    for client in clients:
        live.switch(Connection(), client)  # type: ignore[arg-type]
    return Goodbye(live, Flusher(), chance=random.Random(1).uniform)  # type: ignore[arg-type]


async def heard() -> None:
    await trio.sleep(0.12)


def each_100_ms(connects: list[float], began: float) -> list[int]:
    counted = Counter(int((at - began) / 0.1 + 1e-6) for at in connects)
    return [counted[number] for number in range(max(counted) + 1)]


async def test_ten_thousand_come_to_the_others_as_fast_as_these_take_them(autojump_clock: MockClock) -> None:
    connects: list[float] = []
    began = trio.current_time()
    await goodbye([Client(connects) for _ in range(MANY)]).say(lambda: Pace(1_000, began + 20.0), heard)
    found = each_100_ms(connects, began)
    assert sum(found) == MANY and max(found) <= 100
    assert len(found) == pytest.approx(MANY / 100, abs=5), "and no slower"


async def test_where_there_is_not_the_time_they_come_as_slowly_as_it_allows(autojump_clock: MockClock) -> None:
    connects: list[float] = []
    began = trio.current_time()
    await goodbye([Client(connects) for _ in range(MANY)]).say(lambda: Pace(1_000, began + 5.0), heard)
    found = each_100_ms(connects, began)
    assert sum(found) == MANY
    assert max(found) <= MANY / 50 * 1.05 and len(found) <= 52


async def test_those_that_can_be_told_when_to_come_are_told_so_though_there_is_no_time(
    autojump_clock: MockClock,
) -> None:
    """Event streams: of what the node had to let go at once the others see as much each second as they take."""
    connects: list[float] = []
    began = trio.current_time()
    await goodbye([Client(connects, None) for _ in range(MANY)]).say(lambda: Pace(1_250, began), heard)
    assert trio.current_time() - began < 0.2
    found = each_100_ms(connects, began)
    assert max(found) <= 125 * 1.5 and len(found) == pytest.approx(80, abs=3)


async def test_who_waits_for_the_next_start_of_this_node_does_not_ask_for_it_all_the_time(
    autojump_clock: MockClock,
) -> None:
    connects: list[float] = []
    began = trio.current_time()
    await goodbye([Client(connects, None) for _ in range(100)]).say(at_the_same_time, heard)
    assert min(connects) - began >= 1.0 and max(connects) - began <= 3.2


async def test_nobody_is_told_to_wait_for_long(autojump_clock: MockClock) -> None:
    connects: list[float] = []
    began = trio.current_time()
    await goodbye([Client(connects, None) for _ in range(MANY)]).say(lambda: Pace(1, began), heard)
    assert max(connects) - began <= AGAIN_MAX_S + 0.2


async def test_who_is_let_go_has_left_before_and_the_others_have_heard_so(autojump_clock: MockClock) -> None:
    clients = [Client([]) for _ in range(50)]
    heard_at: list[float] = []

    async def hear() -> None:
        await trio.sleep(random.uniform(0.05, 0.3))
        heard_at.append(trio.current_time())

    await goodbye(clients).say(lambda: Pace(100, trio.current_time() + 10.0), hear)
    told = {client.told_at for client in clients}
    assert len(told) == 25 and told == set(heard_at)
    assert all(one.left_at is not None and one.told_at is not None and one.left_at < one.told_at for one in clients)


async def test_others_that_do_not_hear_hold_up_nobody_for_long(autojump_clock: MockClock) -> None:
    clients = [Client([]) for _ in range(50)]
    began = trio.current_time()
    await goodbye(clients).say(lambda: Pace(100, began + 10.0), trio.sleep_forever)
    assert trio.current_time() - began == pytest.approx(24 * EVERY_S + HEARD_S)


async def test_who_has_asked_something_is_answered_first_if_that_comes_soon(autojump_clock: MockClock) -> None:
    now = trio.current_time()
    soon, late, never = Client([]), Client([], answered_at=now + 0.3), Client([], answered_at=now + 60.0)
    await goodbye([soon, late, never]).say(at_the_same_time, heard)
    assert soon.told_at == pytest.approx(now + 0.12)
    assert late.told_at == pytest.approx(now + 0.3, abs=0.03)
    assert never.told_at == pytest.approx(now + 0.12 + ANSWERED_S, abs=0.03)


async def test_who_is_alone_tells_all_at_the_same_time(autojump_clock: MockClock) -> None:
    clients = [Client([]) for _ in range(1_000)]
    began = trio.current_time()
    await goodbye(clients).say(at_the_same_time, heard)
    assert {client.told_at for client in clients} == {began + 0.12}


async def test_once_the_others_stop_as_well_nobody_is_let_go_slowly(autojump_clock: MockClock) -> None:
    """As when all nodes of a host are told to stop at once, one of them first."""
    connects: list[float] = []
    began = trio.current_time()
    others_until = began + 1.0

    def pace() -> Pace:
        return Pace(100, began + 60.0) if trio.current_time() < others_until else at_the_same_time()

    await goodbye([Client(connects) for _ in range(MANY)]).say(pace, heard)
    assert trio.current_time() - began < 1.3


async def test_of_a_node_that_goes_on_those_go_who_are_there_and_others_may_come(autojump_clock: MockClock) -> None:
    there = [Client([]) for _ in range(50)]
    later = Client([])
    found = goodbye(there)

    def pace() -> Pace:
        found._live.switch(Connection(), later)  # type: ignore[arg-type]
        return Pace(100, inf)

    began = trio.current_time()
    await found.say_once(pace)
    assert all(one.told_at is not None for one in there) and later.left_at is None
    assert trio.current_time() - began == pytest.approx(0.5, abs=0.1)


async def test_once_nobody_need_go_any_more_the_others_stay(autojump_clock: MockClock) -> None:
    there = [Client([]) for _ in range(50)]
    paces = iter([Pace(100, inf), Pace(100, inf), None])
    await goodbye(there).say_once(lambda: next(paces))
    assert sum(one.told_at is not None for one in there) == sum(one.left_at is not None for one in there) == 4
