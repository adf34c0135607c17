"""A cell and its node's lease: what it remembers is only worth something while nobody else can own the entity."""

import math

import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import NotHere, OutcomeUnknown
from greenroom.actors.model.lifecycle import Inspect, Inspected
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.kernel.ownership import OwnsAll
from tests.supervisors.kernel.small_kernel import Do, Kernel, Log, Note, Read, kernel, settled

A = "log:a"
BRIEF = "brief:a"
SLOW = "slow:a"


class Leased(OwnsAll):
    """Its lease is what a test says; what it was refused is another's until the test says otherwise."""

    def __init__(self, term: int = 1) -> None:
        super().__init__(term)
        self.valid_until = math.inf
        self.is_lost = False
        self._renewed = trio.Event()

    def expire(self) -> None:
        self.valid_until = trio.current_time() - 1.0

    def renew(self) -> None:
        self.valid_until = math.inf
        self._renewed.set()
        self._renewed = trio.Event()

    async def fresh(self) -> None:
        while trio.current_time() > self.valid_until:
            await self._renewed.wait()

    def owns(self, entity: str) -> bool:
        return not self.is_lost

    def lost(self, entity: str) -> bool:
        self.is_lost = True
        return True


async def test_nothing_is_handled_nor_answered_while_the_lease_is_over(autojump_clock: MockClock) -> None:
    leased = Leased()
    async with kernel(ownership=leased) as run:
        assert await run.ask(A, Note(text="one")) == 1
        leased.expire()
        slots = [run.send(A, Read()), run.send(A, Inspect()), run.send(A, Note(text="two"))]
        await trio.sleep(60.0)
        assert not any(slot.answers for slot in slots)
        assert run.texts(A) == ["one"]
        leased.renew()
        await settled()
        reading, seen, noted = slots
        assert reading.answer == ["one"] and isinstance(seen.answer, Inspected) and noted.answer == 2
        assert run.texts(A) == ["one", "two"]


async def test_of_an_entity_without_a_journal_neither(autojump_clock: MockClock) -> None:
    """It has nothing else that would keep two of it apart."""
    leased = Leased()
    async with kernel(ownership=leased) as run:
        assert await run.ask(BRIEF, Read()) == []
        leased.expire()
        slot = run.send(BRIEF, Read())
        await trio.sleep(60.0)
        assert not slot.answers
        leased.renew()
        await settled()
        assert slot.answer == []


async def test_an_entity_that_wakes_meanwhile_waits_as_well(autojump_clock: MockClock) -> None:
    leased = Leased()
    async with kernel(ownership=leased) as run:
        leased.expire()
        slots = [run.send(entity, Read()) for entity in (A, BRIEF)]
        await trio.sleep(60.0)
        assert not any(slot.answers for slot in slots)
        leased.renew()
        await settled()
        assert [slot.answer for slot in slots] == [[], []]


async def test_what_an_async_handler_answers_waits_as_well(autojump_clock: MockClock) -> None:
    """The lease may have run out while it waited."""
    leased = Leased()

    async def wait(actor: Log) -> str:
        await trio.sleep(5.0)
        return "done"

    async with kernel(ownership=leased) as run:
        waiting = run.send(SLOW, Do(act=wait))
        behind = run.send(SLOW, Read())
        await trio.sleep(1.0)
        leased.expire()
        await trio.sleep(60.0)
        assert not waiting.answers and not behind.answers
        leased.renew()
        await settled()
        assert (waiting.answer, behind.answer) == ("done", [])


async def test_what_was_handled_before_is_let_out_once_it_is_durable(autojump_clock: MockClock) -> None:
    """That it could be written proves that nobody else owned the entity by then."""
    leased = Leased()
    async with kernel(ownership=leased) as run:
        await run.ask(A, Note(text="one"))
        run.journal.hold()
        noted, read = run.send(A, Note(text="two")), run.send(A, Read())
        await settled()
        leased.expire()
        run.journal.release()
        await settled()
        assert (noted.answer, read.answer) == (2, ["one", "two"])
        leased.renew()


async def test_a_drain_ends_those_who_wait_for_the_lease(autojump_clock: MockClock) -> None:
    """At once: whoever waits hears that it was not handled."""
    leased = Leased()
    async with Kernel(ownership=leased).running() as run:
        await run.ask(A, Note(text="one"))
        leased.expire()
        waiting = run.send(A, Read())
        await settled()
        with trio.move_on_after(10.0) as scope:
            await run.kernel.drain()
        assert not scope.cancelled_caught
    assert waiting.answer.temporary


# Overtaken: its next claim is refused.


async def overtaken(run: Kernel, rows: MemoryRows) -> None:
    """Another node owns the entity from now on, and has written."""
    async with kernel(rows=rows, incarnation=2, ownership=OwnsAll(term=2)) as other:
        await other.ask(A, Note(text="theirs"))


async def test_what_an_overtaken_entity_has_not_handled_goes_to_whoever_owns_it(autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    async with kernel(rows=rows, ownership=Leased()) as run:
        await run.ask(A, Note(text="ours"))
        await overtaken(run, rows)
        sent: list[object] = []
        submit = run.router.submit
        run.journal.hold()
        refused = run.send(A, Note(text="not to land"))
        again = run.send(A, Note(text="by its id"), command_id="user 3 ann 1", digest=1)
        await settled()

        def elsewhere(entity: str, envelope: object) -> None:
            sent.append(envelope)
            envelope.slot.resolve("there", None)  # type: ignore[attr-defined]

        run.journal.delay_s = 1.0
        run.journal.release()
        await trio.sleep(1.5)  # fenced by now, and claiming anew
        run.router.submit = submit  # type: ignore[method-assign]
        waiting = [run.send(A, Note(text=str(number))) for number in range(3)]
        run.router.submit = elsewhere  # type: ignore[method-assign]
        await trio.sleep(10.0)
        run.router.submit = submit  # type: ignore[method-assign]
        assert isinstance(refused.answer, OutcomeUnknown), "nobody can say whether it may be handled again"
        assert [one.message.text for one in sent] == ["by its id", "0", "1", "2"], "in order"  # type: ignore[attr-defined]
        assert [one.answer for one in (again, *waiting)] == ["there"] * 4
        assert run.awake() == set()


async def test_where_no_other_owner_is_known_it_is_refused_and_not_tried_for_ever(autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    async with kernel(rows=rows) as run:
        await run.ask(A, Note(text="ours"))
        await overtaken(run, rows)
        slots = [run.send(A, Note(text=str(number))) for number in range(3)]
        await trio.sleep(10.0)
        assert any(isinstance(slot.answer, NotHere) for slot in slots) or isinstance(slots[0].answer, OutcomeUnknown)
        assert run.awake() == set()
        assert run.texts(A) == ["ours", "theirs"]


async def test_what_may_have_landed_is_not_refused_as_if_it_had_not(autojump_clock: MockClock) -> None:
    """Its command id is to find that out, where it is handled again; where it can't be, nobody knows."""
    rows = MemoryRows()
    async with kernel(rows=rows, ownership=Leased()) as run:
        await run.ask(A, Note(text="ours"))
        await overtaken(run, rows)
        run.journal.hold()
        again = run.send(A, Note(text="by its id"), command_id="user 3 ann 1", digest=1)
        reading = run.send(A, Read())
        await settled()
        behind = run.send(A, Note(text="not handled"))
        run.journal.release()
        await trio.sleep(10.0)
        assert isinstance(again.answer, OutcomeUnknown)
        assert isinstance(reading.answer, OutcomeUnknown | NotHere)
        assert not isinstance(behind.answer, int)
        assert run.awake() == set()
