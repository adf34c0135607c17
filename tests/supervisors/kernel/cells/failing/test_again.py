"""What nobody sends again, handled by those who can't reach the store: it rests, and none of it is lost."""

from collections.abc import Callable
from itertools import count
from math import inf
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from trio.testing import MockClock

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import HandlerFailed
from greenroom.actors.model.lifecycle import HandOver, Passivate, Stop
from greenroom.config.limits import SupervisionConfig
from greenroom.store.errors import StoreUnavailable
from greenroom.supervisors.kernel.cells.again import (
    BYTES_MAX,
    CALM_S,
    FIRST_S,
    FIRST_TRIES,
    LONGEST_S,
    RESTING_MAX,
    Again,
    has_rested,
)
from greenroom.supervisors.kernel.cells.cell import Cell
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import (
    ANN,
    Do,
    Fail,
    Heard,
    Kernel,
    Log,
    Note,
    Read,
    Slow,
    kernel,
    settled,
)

A, S = "log:a", "slow:a"


def resting(size: int = 0, text: str = "x") -> Envelope:
    return Envelope(message=Heard(text=text), size=size)


@pytest.mark.bound("messages of an entity that nobody sends again, and that could not reach the store")
def test_so_many_rest() -> None:
    again = Again()
    assert all(again.put(resting(), 0.0) for _ in range(RESTING_MAX)) and not again.put(resting(), 0.0)
    assert len(again.leave([])[0]) == RESTING_MAX and not again and again.put(resting(BYTES_MAX + 1), 1.0)
    assert not again.put(resting(1), 1.0), "one message may be as large as it likes"


def test_what_has_come_back_and_is_done_with_rests_no_more() -> None:
    one, done = resting(), resting()
    assert not has_rested(one)
    one.rested = done.rested = 1
    done.deadline = -inf
    assert has_rested(one) and not has_rested(done)


def test_they_rest_longer_each_time_until_all_is_calm() -> None:
    again, now = Again(), 0.0
    rests: list[float] = []
    first, second = resting(), resting()
    again.put(first, now)
    again.put(second, now + 0.5)
    for _ in range(7):
        rests.append(again.due - now)
        now = again.due
        assert again.take(now) is first and again.due == now
        assert again.put(resting(), now) and again.due == now, "another one: this one is still being tried"
        again.put(first, now)
        assert again.due > now
    assert rests == [FIRST_S, 2.0, 4.0, 8.0, 16.0, LONGEST_S, LONGEST_S]
    assert again.leave([])[0][:2] == [first, second] and again.due == inf
    now += CALM_S + 1.0
    again.put(resting(), now)
    assert again.due == now + FIRST_S


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["told", "tried", "lost"]), max_size=40), st.data())
def test_however_they_come_back_they_rest_in_their_order(steps: list[str], data: st.DataObject) -> None:
    """Several may be tried and not durable yet: what those have recorded is refused, or never was, in any order."""
    again, told, out, now = Again(), 0, list[Envelope](), 0.0
    for step in steps:
        now += 1.0
        if step == "told" and told < RESTING_MAX:
            told += 1
            assert again.put(resting(text=str(told)), now)
        elif step == "tried" and again:
            taken = again.take(now)
            if steps.count("lost") < FIRST_TRIES:
                assert all(taken.rested < envelope.rested for envelope in again._resting)
            out.append(taken)
        elif step == "lost" and out:
            lost = replace(out.pop(data.draw(st.integers(0, len(out) - 1))))
            assert again.put(lost, now) and again.due > now
        assert (again.due < inf) == bool(again)
    texts = [int(envelope.message.text) for envelope in again.leave([])[0] if isinstance(envelope.message, Heard)]
    assert texts == sorted(texts) and len(texts) == told - len(out)


@given(st.lists(st.booleans(), min_size=1, max_size=RESTING_MAX))
def test_others_are_tried_beside_one_that_never_finds_it_and_none_is_forgotten(stuck: list[bool]) -> None:
    again, now = Again(), 0.0
    for number in range(len(stuck)):
        again.put(resting(text=str(number)), now)
    handled, failed = list[int](), list[int]()
    while len(handled) < stuck.count(False):
        assert len(failed) < FIRST_TRIES + 3 * len(stuck), "each other fails once, and the first before and after"
        now = max(now, again.due)
        taken = again.take(now)
        number = taken.rested - 1
        if stuck[number]:
            failed.append(number)
            assert again.put(taken, now) and again.due > now
        else:
            handled.append(number)
    assert handled == sorted(handled), "each has its turn once"
    first = stuck.index(True) if True in stuck else 0
    assert set(failed[:FIRST_TRIES]) <= {first}, "it has that many tries before another one"


def tried_beside(steps: str, *, rest: int) -> tuple[list[int], list[float]]:
    """After the first has failed for long: who is tried next, and how long all of them rest then. A step is one try:
    "+" finds the store, "-" does not."""
    again, now = Again(), 0.0
    for _ in range(rest):
        again.put(resting(), now)
    numbers, rests = list[int](), list[float]()
    for step in "-" * FIRST_TRIES + steps:
        now = again.due
        taken = again.take(now)
        if step == "-":
            again.put(taken, now)
        numbers.append(taken.rested)
        rests.append(again.due - now)
    assert numbers[:FIRST_TRIES] == [1] * FIRST_TRIES and rests[FIRST_TRIES - 1] == FIRST_S
    return numbers[FIRST_TRIES:], rests[FIRST_TRIES:]


def test_while_all_find_it_away_there_are_two_tries_to_a_rest_and_each_has_its_turn() -> None:
    numbers, rests = tried_beside("---------", rest=4)
    assert numbers == [2, 1, 3, 1, 4, 1, 2, 1, 3]
    assert rests == [LONGEST_S, FIRST_S] * 4 + [LONGEST_S]


def test_where_another_finds_it_the_first_is_tried_once_more_and_then_the_others_pass() -> None:
    assert tried_beside("+++++", rest=5)[0] == [2, 1, 3, 4, 5], "it was an outage, and all follow"
    numbers, rests = tried_beside("+-+++-", rest=5)
    assert numbers == [2, 1, 3, 4, 5, 1], "it is alone"
    assert rests == [0.0, FIRST_S, 0.0, 0.0, LONGEST_S, LONGEST_S]


def test_while_others_pass_one_of_them_may_find_it_away() -> None:
    numbers, rests = tried_beside("+-+--+-+", rest=6)
    assert numbers == [2, 1, 3, 4, 1, 5, 1, 6], "then it is an outage again, for all that is known"
    assert rests[:6] == [0.0, FIRST_S, 0.0, LONGEST_S, FIRST_S, 0.0]


class Outage:
    """Until `ends`, on trio's clock, the store is away. What has been handled in spite of it, in its order."""

    def __init__(self, ends: float, *, tries_s: float = 0.1) -> None:
        self.ends = ends
        self._tries_s = tries_s
        self.tries = 0
        self.done: list[Any] = []

    def act(self, name: object = "", *, records: Callable[[int], bool] = lambda tries: False, asks: str = "") -> Do:
        async def act(actor: Log) -> None:
            self.tries += 1
            if asks:
                await actor.ask(asks, Read())
            if records(self.tries):
                actor.note("recorded")
            await trio.sleep(self._tries_s)
            if trio.current_time() < self.ends:
                raise StoreUnavailable("away")
            self.done.append(name or actor.principal.user)

        return Do(act=act)


def tell(run: Kernel, message: Any, entity: str = A, **fields: Any) -> None:
    """As another node's message comes that nobody waits for."""
    run.router.submit(entity, Envelope(message=message, **fields))


async def test_what_another_node_has_told_is_brought_again_as_it_came(autojump_clock: MockClock) -> None:
    outage = Outage(2.0)
    async with kernel() as run:
        tell(run, outage.act(), principal=ANN)
        await trio.sleep(10.0)
        assert outage.done == ["ann"] and not await run.letters.list(limit=1)


async def test_whose_life_was_lost_with_it_rests_as_any_other(autojump_clock: MockClock) -> None:
    """It had recorded the first time, and not the second."""
    outage = Outage(4.0)
    async with kernel() as run:
        run.router.ref(A).tell(outage.act("told", records=lambda tries: tries == 1))
        await trio.sleep(20.0)
        assert outage.done == ["told"] and outage.tries == 4 and run.texts(A) == []
        assert run.instruments.restarts == 0


@pytest.mark.parametrize("ends", [0.9, 1.5, 100.0])
async def test_an_end_of_the_life_loses_none_and_their_order_is_kept(autojump_clock: MockClock, ends: float) -> None:
    outage = Outage(ends)
    async with kernel() as run:
        for number in range(1, 4):
            run.router.ref(A).tell(outage.act(number))
        await trio.sleep(0.5)
        run.cell(A).mailbox.put_control(Passivate())
        await settled()
        assert run.awake() == {A}
        poison = run.send(A, Fail(text="x"))
        await poison.answered.wait()
        assert isinstance(poison.answer, HandlerFailed) and run.instruments.restarts == 3
        await trio.sleep(200.0)
        assert outage.done == [1, 2, 3]


async def test_while_the_store_is_away_one_is_tried_and_others_are_handled_meanwhile(autojump_clock: MockClock) -> None:
    """Each takes as long as it takes to find out, and all of them together minutes."""
    outage = Outage(1_000.0, tries_s=5.0)
    async with kernel() as run:
        for number in range(1, 21):
            run.router.ref(A).tell(outage.act(number))
        await trio.sleep(150.0)  # each has been tried once, and the first again
        longest = 0.0
        for _ in range(20):
            began = trio.current_time()
            await run.ask(A, Note(text="another"))
            longest = max(longest, trio.current_time() - began)
            await trio.sleep(7.0)
        assert longest <= 5.0
        await trio.sleep(1_500.0)
        _, *others = outage.done  # one was tried beside the first when it ended
        assert others == sorted(others) and sorted(outage.done) == list(range(1, 21))


async def test_one_for_which_alone_it_is_away_lets_others_by_in_the_end(autojump_clock: MockClock) -> None:
    """As where somebody holds a lock on the table that it reads."""
    locked, outage = Outage(1_000.0), Outage(5.0)
    async with kernel() as run:
        run.router.ref(A).tell(locked.act("locked"))
        for number in (1, 2):
            run.router.ref(A).tell(outage.act(number))
        await trio.sleep(300.0)
        assert outage.done == [1, 2] and locked.done == [] and locked.tries > FIRST_TRIES
        await trio.sleep(1_000.0)
        assert locked.done == ["locked"] and not await run.letters.list(limit=1)


async def test_the_next_one_waits_until_the_one_before_it_was_taken(autojump_clock: MockClock) -> None:
    """As where the lease is waited for first, and what was taken has gone back."""
    outage = Outage(100.0)
    async with kernel() as run:
        for number in (1, 2):
            run.router.ref(A).tell(outage.act(number))
        await trio.sleep(0.5)
        cell = run.cell(A)
        assert cell.again is not None and len(cell.again) == 2
        cell.come_again()
        cell.come_again()
        assert (len(cell.mailbox), len(cell.again)) == (1, 1)
        await trio.sleep(300.0)
        assert outage.done == [1, 2]


async def test_what_is_lost_with_its_burst_is_not_handled_twice(autojump_clock: MockClock) -> None:
    outage = Outage(0.5)
    async with kernel() as run:
        run.journal.faults["append"] += [Fault.LOST]
        run.router.ref(A).tell(outage.act("told"))
        noted = run.send(A, Note(text="behind it"))
        await noted.answered.wait()
        await trio.sleep(10.0)
        assert outage.done == ["told"] and outage.tries == 2 and run.texts(A) == ["behind it"]


async def test_what_was_tried_and_recorded_is_before_those_behind_it_when_that_is_lost(
    autojump_clock: MockClock,
) -> None:
    """The next one was tried meanwhile."""
    outage, tries = Outage(5.0), count(1)

    async def act(actor: Log) -> None:
        if next(tries) == 2:
            actor.note("recorded")
            outage.done.append("lost")
        elif trio.current_time() < outage.ends:
            raise StoreUnavailable("away")
        else:
            outage.done.append(1)

    async with kernel() as run:
        run.router.ref(A).tell(Do(act=act))
        await trio.sleep(0.1)
        for number in (2, 3):
            run.router.ref(A).tell(outage.act(number))
        run.journal.faults["append"] += [Fault.LOST]
        await trio.sleep(100.0)
        assert outage.done == ["lost", 1, 2, 3] and run.texts(A) == []


async def test_it_goes_where_its_entity_goes(autojump_clock: MockClock) -> None:
    outage = Outage(1.5)
    async with kernel() as run:
        run.router.ref(A).tell(outage.act("told"))
        await trio.sleep(0.5)
        former = run.cell(A)
        former.mailbox.put_control(HandOver())
        await trio.sleep(10.0)
        assert outage.done == ["told"] and run.cell(A) is not former


async def one_comes_back_of_three(run: Kernel, outage: Outage) -> Cell:
    """The first waits in front of another message, and two rest."""
    for number in range(1, 4):
        run.router.ref(A).tell(outage.act(number))
    await trio.sleep(0.5)
    cell = run.cell(A)
    run.router.ref(A).tell(outage.act(4))
    cell.come_again()
    assert cell.again is not None and (len(cell.mailbox), len(cell.again)) == (2, 2)
    return cell


async def test_what_has_come_back_goes_ahead_of_those_that_rest(autojump_clock: MockClock) -> None:
    outage = Outage(1.5)
    async with kernel() as run:
        former = await one_comes_back_of_three(run, outage)
        former.mailbox.put_control(HandOver())
        await trio.sleep(10.0)
        assert outage.done == [1, 2, 3, 4] and run.cell(A) is not former


async def test_in_the_next_cell_they_are_numbered_anew(autojump_clock: MockClock) -> None:
    outage = Outage(100.0)
    async with kernel() as run:
        former = await one_comes_back_of_three(run, outage)
        former.mailbox.put_control(HandOver())
        await settled()
        cell = run.cell(A)
        await trio.sleep(0.5)
        assert cell is not former and cell.again is not None
        leaving, _ = cell.again.leave([])
        assert [envelope.rested for envelope in leaving] == [1, 2, 3, 4]


async def test_where_its_entity_stops_it_is_a_dead_letter(autojump_clock: MockClock) -> None:
    outage = Outage(100.0)
    async with kernel() as run:
        run.router.ref(A).tell(outage.act("told"))
        await trio.sleep(0.5)
        run.cell(A).mailbox.put_control(Stop())
        await trio.sleep(200.0)
        (letter,) = await run.letters.list(limit=2)
        assert letter.entity == A and "stopped" in letter.error and outage.done == []


async def test_where_its_entity_stops_what_has_come_back_is_one_too(autojump_clock: MockClock) -> None:
    outage = Outage(100.0)
    async with kernel() as run:
        cell = await one_comes_back_of_three(run, outage)
        cell.mailbox.put_control(Stop())
        await trio.sleep(200.0)
        assert len(await run.letters.list(limit=4)) == 3 and outage.done == []


async def test_where_its_handler_is_cut_off_it_is_one_too(autojump_clock: MockClock) -> None:
    outage = Outage(100.0)
    async with kernel() as run:
        await one_comes_back_of_three(run, outage)
        await trio.sleep(0.05)  # half of its time
    assert run.instruments.dead_letters == 3


@pytest.mark.parametrize("records", [False, True])
async def test_whose_handler_asks_others_is_given_up_in_the_end(autojump_clock: MockClock, records: bool) -> None:
    """Each time it may have had something done there."""
    outage = Outage(1000.0)
    async with kernel(kinds=(Log, Slow), supervision=SupervisionConfig(strikes_max=3)) as run:
        run.router.ref(S).tell(outage.act("told", records=lambda tries: records, asks=A))
        await trio.sleep(100.0)
        (letter,) = await run.letters.list(limit=2)
        assert letter.entity == S and letter.strikes == outage.tries == 3
        assert await run.ask(S, Note(text="goes on")) == 1 and run.instruments.restarts == 0


async def test_what_can_not_go_on_is_a_dead_letter(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.router.send_on("nobody:a", [resting()])
        run.router.send_on(A, [resting()])
        await settled()
        (letter,) = await run.letters.list(limit=2)
        assert letter.entity == "nobody:a" and run.texts(A) == ["x"]
