"""The mailbox: bounds, order, control ahead of all, bursts."""

import pytest
import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom import Tell
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.lifecycle import Passivate, TimersDue
from greenroom.actors.model.mailbox import Item, Mailbox, Sealed


class Note(Tell, tag="test.note"):
    number: int = 0


def note(number: int) -> Note:
    return Note(number=number)


def test_first_in_first_out() -> None:
    mailbox = Mailbox(10, 1000)
    for number in range(5):
        mailbox.put(note(number))
    assert mailbox.take(2) == [note(0), note(1)]
    assert mailbox.take(10) == [note(2), note(3), note(4)]
    assert mailbox.take(10) == []


def test_a_full_mailbox_refuses_and_keeps_what_it_has() -> None:
    mailbox = Mailbox(2, 1000)
    mailbox.put(note(0))
    mailbox.put(note(1))
    with pytest.raises(Overloaded):
        mailbox.put(note(2))
    assert mailbox.take(10) == [note(0), note(1)]
    mailbox.put(note(3))


def test_bytes_are_bounded_and_one_large_message_fits_alone() -> None:
    mailbox = Mailbox(10, 100)
    mailbox.put_envelope(Envelope(note(0), size=5_000))
    with pytest.raises(Overloaded):
        mailbox.put_envelope(Envelope(note(1), size=1))
    mailbox.take(1)
    mailbox.put_envelope(Envelope(note(1), size=60))
    with pytest.raises(Overloaded):
        mailbox.put_envelope(Envelope(note(2), size=41))
    mailbox.put_envelope(Envelope(note(2), size=40))
    assert mailbox.bytes == 100
    mailbox.take(1)
    assert mailbox.bytes == 40


def test_an_envelope_refused_for_count_is_not_weighed() -> None:
    mailbox = Mailbox(1, 100)
    mailbox.put(note(0))
    with pytest.raises(Overloaded):
        mailbox.put_envelope(Envelope(note(1), size=10))
    assert mailbox.bytes == 0


def test_what_is_put_back_comes_first_and_has_no_bound() -> None:
    mailbox = Mailbox(2, 100)
    mailbox.put(note(3))
    mailbox.put(note(4))
    mailbox.put_back([Envelope(note(1), size=70), note(2)])
    assert mailbox.bytes == 70
    burst = mailbox.take(10)
    assert [item.message if isinstance(item, Envelope) else item for item in burst] == [note(n) for n in (1, 2, 3, 4)]
    assert mailbox.bytes == 0


def test_sealed_gives_back_what_waits_and_takes_no_more() -> None:
    mailbox = Mailbox(2, 100)
    mailbox.put(note(0))
    assert mailbox.seal() == [note(0)]
    with pytest.raises(Sealed):
        mailbox.put(note(1))
    with pytest.raises(Sealed):
        mailbox.put_envelope(Envelope(note(1), size=1))
    assert (len(mailbox), mailbox.bytes) == (0, 0)


def test_control_has_a_lane_without_bound() -> None:
    mailbox = Mailbox(1, 100)
    mailbox.put(note(0))
    mailbox.put_control("stop")
    mailbox.put_control("rebuild")
    assert len(mailbox) == 1
    assert mailbox.take_control() == ["stop", "rebuild"]
    assert mailbox.take_control() == []


def test_the_age_of_the_oldest_is_known_for_envelopes() -> None:
    mailbox = Mailbox(10, 100)
    assert mailbox.oldest_queued_at() is None
    mailbox.put_envelope(Envelope(note(0), queued_at=12.5))
    mailbox.put_envelope(Envelope(note(1), queued_at=13.5))
    assert mailbox.oldest_queued_at() == 12.5


async def park(mailbox: Mailbox) -> None:
    """As an actor's task does."""
    mailbox.park(trio.lowlevel.current_task())
    await trio.lowlevel.wait_task_rescheduled(mailbox.abandon)


@pytest.mark.parametrize("what", ["message", "control"])
async def test_a_parked_actor_wakes(what: str, autojump_clock: MockClock) -> None:
    mailbox = Mailbox(10, 100)
    woken = trio.Event()

    async def wait() -> None:
        await park(mailbox)
        woken.set()

    async with trio.open_nursery() as nursery:  # owner: the test
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        assert not woken.is_set()
        if what == "message":
            mailbox.put(note(0))
            mailbox.put(note(1))  # does not wake it twice
        else:
            mailbox.put_control("stop")
        with trio.fail_after(1):
            await woken.wait()


async def test_a_wait_that_was_cancelled_leaves_no_trace(autojump_clock: MockClock) -> None:
    mailbox = Mailbox(10, 100)
    with trio.move_on_after(1) as scope:
        await park(mailbox)
    assert scope.cancelled_caught
    mailbox.put(note(0))  # would wake this task where it does not wait
    with trio.fail_after(1):
        await trio.sleep(0.5)
    assert mailbox.take(10) == [note(0)]


@pytest.mark.parametrize("what", ["message", "control"])
async def test_nobody_parks_where_something_waits(what: str) -> None:
    mailbox = Mailbox(10, 100)
    if what == "message":
        mailbox.put(note(0))
    else:
        mailbox.put_control("stop")
    with pytest.raises(AssertionError):
        await park(mailbox)


class MailboxMachine(RuleBasedStateMachine):
    """Against a plain list: nothing lost, nothing reordered, bytes exact."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox(5, 50)
        self.model: list[Item] = []
        self.number = 0

    def next(self) -> Note:
        self.number += 1
        return note(self.number)

    def weight(self) -> int:
        return sum(item.size for item in self.model if isinstance(item, Envelope))

    @rule(size=st.integers(0, 60))
    def put_envelope(self, size: int) -> None:
        envelope = Envelope(self.next(), size=size)
        full = len(self.model) >= 5 or (self.weight() > 0 and self.weight() + size > 50)
        try:
            self.mailbox.put_envelope(envelope)
        except Overloaded:
            assert full
        else:
            assert not full
            self.model.append(envelope)

    @rule()
    def put(self) -> None:
        message = self.next()
        try:
            self.mailbox.put(message)
        except Overloaded:
            assert len(self.model) >= 5
        else:
            self.model.append(message)

    @rule(burst=st.integers(1, 7), back=st.integers(0, 7))
    def take_and_put_some_back(self, burst: int, back: int) -> None:
        taken = self.mailbox.take(burst)
        assert taken == self.model[:burst]
        kept = taken[: max(0, len(taken) - back)]
        self.mailbox.put_back(taken[len(kept) :])
        del self.model[: len(kept)]

    @invariant()
    def counts(self) -> None:
        assert len(self.mailbox) == len(self.model)
        assert self.mailbox.bytes == self.weight()


TestMailboxMachine = MailboxMachine.TestCase


def test_a_control_message_that_waits_already_is_not_queued_again() -> None:
    """Timers that are due tell a busy entity so every second: what has no bound must not be fed like that."""
    mailbox = Mailbox(8, 1000)
    for _ in range(1000):
        mailbox.put_control(TimersDue())
        mailbox.put_control(Passivate())
    assert mailbox.take_control() == [TimersDue(), Passivate()]
    mailbox.put_control(TimersDue())
    assert mailbox.take_control() == [TimersDue()]


def test_some_are_taken_out_of_their_turn() -> None:
    mailbox = Mailbox(10, 1000)
    items = [Envelope(message=note(size), size=size) for size in (1, 2, 3, 4)]
    for item in items:
        mailbox.put_envelope(item)
    assert mailbox.take_those(lambda item: item in (items[1], items[3])) == [items[1], items[3]]
    assert (list(mailbox), mailbox.bytes) == ([items[0], items[2]], 4)
    assert mailbox.take_those(lambda item: False) == []
    assert mailbox.take(10) == [items[0], items[2]]


async def test_more_is_waited_for_behind_what_waits_already() -> None:
    mailbox = Mailbox(10, 1000)
    mailbox.put(note(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.more)
        await wait_all_tasks_blocked()
        assert mailbox.waits
        mailbox.put(note(1))
    with trio.move_on_after(0.01) as scope:
        await mailbox.more()
    assert scope.cancelled_caught and not mailbox.waits


def test_nudges_take_a_quarter_of_it_at_most_and_commands_find_room() -> None:
    mailbox = Mailbox(8, 1000)
    assert [mailbox.nudge(note(number)) for number in range(4)] == [True, True, False, False]
    for number in range(6):
        mailbox.put(note(number))
    with pytest.raises(Overloaded):
        mailbox.put(note(7))
    mailbox.nudges = 0  # as its cell does, which has taken them
    assert not mailbox.nudge(note(8)), "there is room for no message at all"
    assert len(mailbox.take(10)) == 8
    assert mailbox.nudge(note(9))


def test_nobody_is_nudged_who_has_gone() -> None:
    mailbox = Mailbox(8, 1000)
    mailbox.seal()
    assert not mailbox.nudge(note(1)) and len(mailbox) == 0
    assert Mailbox(1, 1000).nudge(note(1)), "the smallest has room for one"
