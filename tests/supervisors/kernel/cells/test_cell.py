import itertools
import math
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.life import command_ids
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import (
    CallCycle,
    DeadlineExceeded,
    HandlerFailed,
    HandlerStuck,
    OutcomeUnknown,
    Overloaded,
    Refused,
    Unavailable,
)
from greenroom.actors.model.lifecycle import Inspect, Passivate
from greenroom.actors.model.message import Done
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import MailboxConfig, SupervisionConfig
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.records import Remembered, StoredEvent
from greenroom.supervisors.kernel import cell as cell_module
from greenroom.supervisors.supervision.watchdog import Watchdog
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import ANN, Do, Fail, Heard, Kernel, Log, Note, Noted, Read, kernel

A = "log:a"
B = "log:b"


class Opaque:
    """JSON has no word for it."""


async def settled() -> None:
    await wait_all_tasks_blocked()


def texts_of(run: Kernel, entity: str) -> list[str]:
    actor = run.cell(entity).actor
    assert actor is not None
    state: Any = actor.state
    return list(state.texts)


def epoch_of(run: Kernel, entity: str) -> str:
    life = run.cell(entity)._life
    assert life is not None
    return life.epoch


# Repeated commands.


async def test_a_repeated_command_gets_the_first_reply_and_nothing_happens_again(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        slots = [run.send(A, Note(text="x"), command_id="once") for _ in range(3)]
        await settled()
        slots.append(run.send(A, Note(text="x"), command_id="once"))
        await settled()
        assert [slot.answer for slot in slots] == [1, 1, 1, 1]
        assert slots[-1].encoded == b"1"
        assert run.texts(A) == ["x"]


async def test_a_repeat_waits_for_the_first_to_be_durable() -> None:
    async with kernel() as run:
        run.journal.hold()
        run.send(A, Note(text="x"), command_id="once")
        await settled()
        again = run.send(A, Note(text="x"), command_id="once")
        await settled()
        assert again.answers == []
        run.journal.release()
        await settled()
        assert again.answer == 1


async def test_a_repeat_is_answered_across_a_restart_of_the_node_and_from_beyond_what_a_claim_brings_along(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:
        for number in range(200):
            run.send(A, Note(text=str(number)), command_id=f"id-{number}")
        await trio.sleep(1)
    async with kernel(rows=run.journal.rows, incarnation=2) as other:
        slots = [other.send(A, Note(text="again"), command_id=f"id-{number}") for number in (0, 100, 199)]
        new = other.send(A, Note(text="new"), command_id="new")
        await trio.sleep(60)
        assert [slot.answer for slot in slots] == [1, 101, 200]
        assert (new.answer, other.journal.offset(A)) == (201, 201)


async def test_more_repeats_at_once_than_are_remembered_are_all_answered(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_ids, "REMEMBERED_MAX", 4)
    async with kernel() as run:
        for number in range(100):
            run.send(A, Note(text=str(number)), command_id=f"id-{number}")
        await trio.sleep(1)
        run.journal.hold()
        slots = [run.send(A, Note(text="again"), command_id=f"id-{number}") for number in range(100)]
        await settled()
        run.journal.release()
        await trio.sleep(60)
        assert [slot.answer for slot in slots] == list(range(1, 101))
        assert run.journal.offset(A) == 100


async def test_a_reply_stored_in_a_shape_of_long_ago_is_given_as_it_is() -> None:
    async with kernel() as run:
        run.send(A, Note(text="x"), command_id="once")
        await settled()
        life = run.cell(A)._life
        assert life is not None
        life.once.remember("once", Remembered(b'{"offset":1}'))
        again = run.send(A, Note(text="x"), command_id="once")
        await settled()
        assert (again.answer, again.encoded) == ({"offset": 1}, b'{"offset":1}')


async def test_a_command_without_a_reply_is_repeated_as_done() -> None:
    async with kernel() as run:

        def act(actor: Log) -> None:
            actor.note("x")

        slots = [run.send(A, Do(act=act), command_id="once") for _ in range(2)]
        await settled()
        assert [slot.answer for slot in slots] == [Done(), {}]


# Handlers that raise, refuse, or do what can't be done.


async def test_a_message_that_keeps_killing_its_actor_becomes_a_dead_letter_and_the_rest_goes_on(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:
        before = run.send(A, Note(text="before"))
        poison = run.send(A, Fail(text="never"), principal=ANN, trace="00-aa-bb-01")
        after = run.send(A, Note(text="after"))
        await trio.sleep(60)
        assert (before.answer, type(poison.answer), after.answer) == (1, HandlerFailed, 2)
        assert run.texts(A) == ["before", "after"] == texts_of(run, A)
        [letter] = await run.letters.list(limit=10)
        assert isinstance(letter, DeadLetter)
        assert (letter.entity, letter.message_type, letter.principal, letter.strikes) == (A, "log.fail", "ann", 3)
        assert b"never" in letter.payload and "ZeroDivisionError: boom" in letter.traceback
        assert (letter.trace, run.instruments.dead_letters, run.instruments.restarts) == ("00-aa-bb-01", 1, 3)


async def test_a_poisonous_tell_becomes_a_dead_letter_as_well(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.router.ref(A).tell(Fail())
        run.router.ref(A).tell(Heard(text="after"))
        await trio.sleep(60)
        assert run.texts(A) == ["after"]
        assert len(await run.letters.list(limit=10)) == 1


async def test_a_message_that_json_has_no_words_for_becomes_a_dead_letter_too(autojump_clock: MockClock) -> None:
    """It comes through no outbox, so it may hold anything: here a function."""

    def act(actor: Log) -> None:
        raise ZeroDivisionError

    async with kernel() as run:
        slots = [run.send(A, Do(act=act)), run.send(A, Note(text="after"))]
        await trio.sleep(60)
        assert (type(slots[0].answer), slots[1].answer) == (HandlerFailed, 1)
        (letter,) = await run.letters.list(limit=10)
        assert (letter.message_type, letter.payload, letter.strikes) == ("log.do", b"", 3)
        assert letter.error.startswith("ZeroDivisionError()") and "can't be kept" in letter.error


async def test_a_message_that_fails_once_is_handled_again(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        tries = 0

        def act(actor: Log) -> str:
            nonlocal tries
            tries += 1
            actor.note("x")
            actor.tell(B, Heard(text="told"))
            if tries == 1:
                raise RuntimeError("once")
            return "reply"

        slot = run.send(A, Do(act=act))
        await trio.sleep(1)
        assert (slot.answer, run.texts(A), run.texts(B)) == ("reply", ["x"], ["told"])


async def test_what_a_failed_handler_had_recorded_is_not_waited_for(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send(A, Read())
        await settled()
        run.journal.hold()
        noted = run.send(A, Note(text="x"))
        await settled()
        read = run.send(A, Read())
        run.send(A, Fail(text="never"))
        await settled()
        run.journal.release()
        await settled()
        assert (noted.answer, read.answer) == (1, ["x"])
        await trio.sleep(60)


async def test_an_entity_that_gives_up_lets_the_commits_under_way_finish(autojump_clock: MockClock) -> None:
    async with kernel(supervision=SupervisionConfig(restarts_max=0)) as run:
        run.send(A, Read())
        await settled()
        run.journal.hold()
        noted = run.send(A, Note(text="x"))
        await settled()
        run.send(A, Fail())
        await settled()
        run.journal.release()
        await settled()
        assert (noted.answer, run.audience.shown[A], run.awake()) == (1, [1], set())


async def test_refused_after_recording_takes_the_record_back(autojump_clock: MockClock) -> None:
    async with kernel() as run:

        def act(actor: Log) -> None:
            actor.note("never")
            raise Refused("log.too_late")

        before = run.send(A, Note(text="before"))
        slot = run.send(A, Do(act=act))
        after = run.send(A, Read())
        await trio.sleep(60)
        assert (before.answer, type(slot.answer), after.answer) == (1, HandlerFailed, ["before"])


async def test_a_tell_that_is_refused_is_dropped_without_a_restart() -> None:
    async with kernel() as run:

        def act(actor: Log) -> None:
            actor.tell(B, Heard(text="never"))
            raise Refused("log.no")

        ref = run.router.ref(A)
        ref.tell(Heard(text="before"))
        ref.tell(Do(act=act))
        ref.tell(Heard(text="after"))
        await settled()
        assert run.texts(A) == ["before", "after"]
        assert (run.instruments.restarts, run.texts(B)) == (0, [])


async def test_a_snapshot_never_holds_what_a_failed_handler_had_applied(autojump_clock: MockClock) -> None:
    class Short(Log):
        limits = msgspec.structs.replace(Log.limits, snapshot_every=1)

    async with kernel(kinds=(Short,)) as run:
        run.send(A, Note(text="x"))
        run.send(A, Fail(text="never"))
        await trio.sleep(60)
        assert run.journal.rows.by_entity[A].snapshot in (None, b'{"texts":["x"]}')
        read = run.send(A, Read())
        await settled()
        assert read.answer == ["x"]


@pytest.mark.parametrize("what", ["event", "reply", "stored reply"])
async def test_what_json_has_no_word_for_fails_its_command_alone_and_leaves_nothing_behind(
    what: str, autojump_clock: MockClock
) -> None:
    async with kernel() as run:

        def act(actor: Log) -> Any:
            actor.note("first")
            if what == "event":
                actor.note(Opaque())  # type: ignore[arg-type]
            return Opaque() if "reply" in what else None

        slot = run.send(A, Do(act=act), command_id=None if what == "reply" else "once")
        after = run.send(A, Note(text="after"))
        await trio.sleep(60)
        if what == "reply":  # whoever waits in this process may be given anything
            assert (isinstance(slot.answer, Opaque), run.texts(A)) == (True, ["first", "after"])
        else:
            assert isinstance(slot.answer, HandlerFailed)
            assert (after.answer, run.texts(A)) == (1, ["after"])


async def test_what_nobody_could_be_told_is_refused_where_it_is_written() -> None:
    async with kernel() as run:

        def act(actor: Log) -> str:
            for entity, error in (("nokind:x", TypeError), ("not an entity", BadEntity), ("slow:b", TypeError)):
                with pytest.raises(error):
                    actor.tell(entity, Heard(text="lost"))
            return "reply"

        slot = run.send(A, Do(act=act))
        await settled()
        assert (slot.answer, await run.letters.list(limit=10)) == ("reply", [])


async def test_a_state_that_cannot_be_encoded_costs_the_snapshot_only(autojump_clock: MockClock) -> None:
    class Odd(Log):
        limits = msgspec.structs.replace(Log.limits, snapshot_every=2)

    async with kernel(kinds=(Odd,)) as run:

        def act(actor: Odd) -> None:
            actor.state.texts.append(Opaque())  # type: ignore[arg-type]

        run.send(A, Do(act=act))
        slots = [run.send(A, Note(text=str(number))) for number in range(50)]
        await settled()
        assert [slot.answer for slot in slots] == list(range(1, 51))
        run.cell(A).mailbox.put_control(Passivate())
        await settled()
        assert (run.awake(), run.instruments.restarts) == (set(), 0)


async def test_too_many_restarts_keep_the_entity_down_for_a_while(autojump_clock: MockClock) -> None:
    supervision = SupervisionConfig(restarts_max=2, strikes_max=100, backoff_max_s=5.0)
    async with kernel(supervision=supervision) as run:
        poison = run.send(A, Fail())
        waiting = run.send(A, Note(text="x"))
        await trio.sleep(1)
        assert isinstance(poison.answer, Unavailable) and isinstance(waiting.answer, Unavailable)
        assert run.awake() == set()
        with pytest.raises(Unavailable):
            run.send(A, Note(text="x"))
        await trio.sleep(5)
        assert (await run.ask(A, Note(text="x")), run.texts(A)) == (1, ["x"])


async def test_restarts_wait_longer_each_time(autojump_clock: MockClock) -> None:
    born_s: list[float] = []

    class Fragile(Log):
        def handle(self, message: Any) -> Any:
            born_s.append(trio.current_time())
            raise ZeroDivisionError

    supervision = SupervisionConfig(restarts_max=9, strikes_max=9, backoff_first_s=1.0, backoff_max_s=64.0)
    async with kernel(kinds=(Fragile,), supervision=supervision) as run:
        run.send(A, Read())
        await trio.sleep(300)
    waits_s = [later - earlier for earlier, later in itertools.pairwise(born_s)]
    assert len(waits_s) == 8
    assert all(wait_s <= 2.0**number for number, wait_s in enumerate(waits_s))
    assert sum(waits_s[4:]) > sum(waits_s[:4])


async def test_an_apply_that_raises_on_replay_answers_everybody_and_keeps_the_entity_down(
    autojump_clock: MockClock,
) -> None:
    class Broken(Log):
        fail = False

        def apply(self, event: Noted) -> None:
            if self.fail:
                raise ZeroDivisionError
            super().apply(event)

    async with kernel(kinds=(Broken,)) as run:
        run.send(A, Note(text="x"))
        await settled()
        Broken.fail = True
        run.journal.faults["append"] += [Fault.LOST]
        run.journal.hold()
        Broken.fail = False
        lost = run.send(A, Note(text="y"))
        await settled()
        Broken.fail = True
        run.journal.release()
        await trio.sleep(60)
        assert isinstance(lost.answer, OutcomeUnknown)
        assert run.awake() == set()


async def test_a_handler_that_never_returns_is_a_dead_letter_at_once(autojump_clock: MockClock) -> None:
    async with kernel() as run:

        def act(actor: Log) -> None:
            raise HandlerStuck("as the watchdog raises it")

        stuck = run.send(A, Do(act=act))
        after = run.send(A, Note(text="after"))
        await trio.sleep(1)
        assert (type(stuck.answer), after.answer, run.instruments.dead_letters) == (HandlerFailed, 1, 1)


async def test_the_watchdog_ends_a_busy_loop_in_a_handler() -> None:
    """In real time and with a real signal: what `Turn` says while a handler runs is what the watchdog acts upon."""
    turn = Turn()
    async with kernel(turn=turn) as run:

        def act(actor: Log) -> None:
            while True:
                pass

        watchdog = Watchdog(turn, stuck_s=0.1, slow_s=0.05, sample_s=0.01)
        async with trio.open_nursery() as nursery:
            await nursery.start(watchdog.run)
            stuck = run.send(A, Do(act=act))
            after = run.send(A, Note(text="after"))
            with trio.fail_after(20):
                while not after.answers:  # noqa: ASYNC110 - a real clock, a real signal
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert (type(stuck.answer), after.answer, turn.item) == (HandlerFailed, 1, None)


# Deadlines and async handlers.


async def test_an_expired_message_is_dropped_unhandled(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.journal.delay_s = 1.0
        late = run.send(A, Note(text="late"), deadline=trio.current_time() + 0.5)
        early = run.send(A, Note(text="early"), deadline=trio.current_time() + 5.0)
        await trio.sleep(10)
        assert (type(late.answer), early.answer, run.texts(A)) == (DeadlineExceeded, 1, ["early"])


async def test_an_ask_carries_its_callers_deadline_across_hops(autojump_clock: MockClock) -> None:
    seen_s: list[float] = []

    async def ask_on(actor: Log) -> None:
        async def look(other: Log) -> None:
            seen_s.append(trio.current_effective_deadline())

        await actor.ask("slow:b", Do(act=look))

    async with kernel() as run:
        with trio.move_on_after(3.0):
            await run.ask("slow:a", Do(act=ask_on))
        assert seen_s == [3.0]


async def test_an_async_handler_is_cut_off_at_its_deadline_and_the_next_message_is_handled(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:

        async def act(actor: Log) -> None:
            await trio.sleep_forever()

        mine = run.send("slow:a", Do(act=act), deadline=3.0)
        kinds = run.send("slow:a", Do(act=act))
        after = run.send("slow:a", Note(text="after"))
        await trio.sleep(60)
        assert (mine.answered_at, kinds.answered_at) == (3.0, 13.0)
        assert isinstance(mine.answer, DeadlineExceeded) and isinstance(kinds.answer, DeadlineExceeded)
        assert (after.answer, run.instruments.restarts) == (1, 0)


async def test_a_refusal_raised_as_the_deadline_cancels_is_the_answer(autojump_clock: MockClock) -> None:
    async def refuse_when_cancelled(actor: Any) -> None:
        async with trio.open_nursery() as nursery:  # owner: the handler
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise Refused("slow.too_slow")

    async with kernel() as run:
        slot = run.send("slow:a", Do(act=refuse_when_cancelled))
        await trio.sleep(30)
        assert slot.answer.name == "slow.too_slow"
        assert run.instruments.restarts == 0


async def test_while_an_async_handler_waits_what_came_before_it_is_committed_and_others_go_on(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:

        async def act(actor: Log) -> str:
            await trio.sleep(5)
            actor.note("late")
            return "reply"

        before = run.send("slow:a", Note(text="before"))
        slot = run.send("slow:a", Do(act=act))
        after = run.send("slow:a", Read())
        other = run.send(B, Read())
        await trio.sleep(1)
        assert (before.answer, other.answer, slot.answers, after.answers) == (1, [], [], [])
        await trio.sleep(5)
        assert (slot.answer, after.answer) == ("reply", ["before", "late"])


@pytest.mark.parametrize("error", [Refused("log.no"), ZeroDivisionError()])
async def test_an_async_handler_that_raises_is_treated_as_any_other(
    error: Exception, autojump_clock: MockClock
) -> None:
    async with kernel() as run:

        async def act(actor: Log) -> None:
            await trio.sleep(1)
            raise error

        slot = run.send("slow:a", Do(act=act))
        run.router.ref("slow:a").tell(Do(act=act))
        after = run.send("slow:a", Note(text="after"))
        await trio.sleep(60)
        assert isinstance(slot.answer, Refused if isinstance(error, Refused) else HandlerFailed)
        assert after.answer == 1


async def test_what_is_recorded_before_an_async_handler_waits_is_given_up_and_the_rest_goes_on(
    autojump_clock: MockClock,
) -> None:
    class Hasty(Log):
        def handle(self, message: Any) -> Any:
            if not isinstance(message, Note) or message.text != "hasty":
                return super().handle(message)
            self.note(message.text)
            return self.late()

        async def late(self) -> None:
            raise AssertionError("nobody awaits it")

    async with kernel(kinds=(Hasty,)) as run:
        before, hasty, after = (run.send(A, Note(text=text)) for text in ("before", "hasty", "after"))
        await trio.sleep(60)
        assert (before.answer, type(hasty.answer), after.answer) == (1, HandlerFailed, 2)
        assert run.texts(A) == ["before", "after"]


async def test_cancelled_inside_an_async_handler_its_asker_learns_that_nobody_knows() -> None:
    run = Kernel()
    async with run.running():

        async def act(actor: Log) -> None:
            await trio.sleep_forever()

        before = run.send("slow:a", Note(text="before"))
        during = run.send("slow:a", Do(act=act))
        after = run.send("slow:a", Note(text="after"))
        await settled()
    assert before.answer == 1
    assert isinstance(during.answer, OutcomeUnknown)
    assert isinstance(after.answer, Unavailable)
    assert run.texts("slow:a") == ["before"]


async def test_a_cycle_of_asks_is_refused(autojump_clock: MockClock) -> None:
    async with kernel() as run:

        async def back(actor: Log) -> Any:
            return await actor.ask("slow:a", Note(text="x"))

        async def there(actor: Log) -> Any:
            return await actor.ask("slow:b", Do(act=back))

        async def itself(actor: Log) -> Any:
            return await actor.ask("slow:a", Note(text="x"))

        for act in (there, itself):
            with pytest.raises(CallCycle), trio.fail_after(5):
                await run.ask("slow:a", Do(act=act))


async def test_a_tell_is_the_end_of_a_chain_of_asks(autojump_clock: MockClock) -> None:
    """Who was asked last must not be taken for whoever waits for the handler of a tell."""
    async with kernel() as run:
        answers: list[int] = []

        async def ask_b(actor: Log) -> Any:
            return await actor.ask("slow:b", Note(text="asked"))

        async def ask_a(actor: Log) -> None:
            answers.append(await actor.ask("slow:a", Note(text="from a tell")))

        assert await run.ask("slow:a", Do(act=ask_b)) == 1
        run.router.ref("slow:b").tell(Do(act=ask_a))
        await trio.sleep(1)
        assert answers == [1]


# Bounds.


@pytest.mark.bound("a mailbox's messages")
async def test_a_mailbox_is_bounded_in_messages() -> None:
    async with kernel() as run:
        slots = [run.send(A, Read()) for _ in range(MailboxConfig().capacity)]
        with pytest.raises(Overloaded):
            run.send(A, Read())
        with pytest.raises(Overloaded):
            run.router.ref(A).tell(Heard(text="x"))
        await settled()
        assert {len(slot.answers) for slot in slots} == {1}
        run.send(A, Read())
        await settled()


@pytest.mark.bound("a mailbox's bytes")
async def test_a_mailbox_is_bounded_in_bytes() -> None:
    async with kernel() as run:
        half = Log.limits.mailbox_bytes // 2
        run.send(A, Read(), size=half)
        run.send(A, Read(), size=half)
        with pytest.raises(Overloaded):
            run.send(A, Read(), size=1)
        await settled()
        run.send(A, Read(), size=half)
        await settled()
        run.send(A, Read(), size=half * 4)
        with pytest.raises(Overloaded):
            run.send(A, Read(), size=1)
        await settled()


async def test_a_tell_to_a_full_mailbox_without_a_journal_becomes_a_dead_letter() -> None:
    async with kernel() as run:
        capacity = MailboxConfig().capacity

        def act(actor: Log) -> None:
            for number in range(capacity + 5):
                actor.tell("brief:a", Heard(text=str(number)))

        run.send(A, Do(act=act))
        await settled()
        assert len(await run.ask("brief:a", Read())) == capacity
        assert len(await run.letters.list(limit=10)) == 5


async def test_more_tells_than_the_mailbox_of_a_durable_entity_holds_all_arrive(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        texts = [str(number) for number in range(5 * MailboxConfig().capacity)]

        def act(actor: Log) -> None:
            for text in texts:
                actor.tell(B, Heard(text=text))

        run.send(A, Do(act=act))
        await trio.sleep(60)
        assert run.texts(B) == texts
        assert await run.letters.list(limit=10) == []


# Sleeping.


async def test_falling_asleep_writes_a_snapshot_where_that_saves_a_replay() -> None:
    async with kernel() as run:
        run.send(A, Note(text="x", times=cell_module.SNAPSHOT_WORTH))
        run.send(B, Note(text="x", times=cell_module.SNAPSHOT_WORTH - 1))
        await settled()
        for entity in (A, B):
            run.cell(entity).mailbox.put_control(Passivate())
        await settled()
        assert run.awake() == set()
        assert run.journal.rows.by_entity[A].snapshot_offset == cell_module.SNAPSHOT_WORTH
        assert run.journal.rows.by_entity[B].snapshot is None


@pytest.mark.parametrize("awake", ["mailbox", "flights", "timer", "may_sleep"])
async def test_an_actor_with_something_to_lose_does_not_sleep(awake: str) -> None:
    async with kernel() as run:

        def act(actor: Log) -> None:
            if awake == "timer":
                actor.after(1000, Heard(text="later"))
            if awake == "may_sleep":
                actor.may_sleep = lambda: False  # type: ignore[method-assign]
            if awake == "flights":
                actor.note("x")

        run.journal.hold()
        run.send(A, Do(act=act))
        await settled()
        cell = run.cell(A)
        cell.mailbox.put_control(Passivate())
        if awake == "mailbox":
            run.send(A, Read())
        await settled()
        assert run.awake() == {A}
        run.journal.release()
        await settled()


# The view.


async def test_the_view_is_computed_once_between_two_messages_and_only_for_who_may_watch() -> None:
    async with kernel() as run:
        run.send(A, Note(text="x"))
        views = [run.send(A, Inspect()) for _ in range(2)]
        refused = run.send(A, Inspect(), principal=Principal(user="mallory"))
        await settled()
        later = [run.send(A, Note(text="y")), run.send(A, Inspect())][1]
        await settled()
        assert views[0].answer.view is views[1].answer.view
        assert (views[0].answer.view, views[0].answer.offset, later.answer.view) == (b'{"count":1}', 1, b'{"count":2}')
        assert refused.answer.name == "log.private"
        assert views[0].answer.epoch == run.journal.rows.by_entity[A].head.epoch


async def test_events_name_the_client_that_caused_them() -> None:
    async with kernel() as run:
        run.send(A, Note(text="x"), principal=Principal(user="ann", info=b'{"user":"ann"}'))
        run.send(A, Note(text="y"))
        await settled()
        infos = [event.info for event in run.journal.events(A)]
        assert infos == [b'{"user":"ann"}', None]
        assert all(isinstance(event, StoredEvent) and event.at_ms >= 0 for event in run.journal.events(A))
        assert math.isfinite(run.cell(A).last_active)


async def test_each_life_of_an_entity_without_a_journal_has_an_epoch_of_its_own() -> None:
    """Else a client could resume at an offset that now means something else."""
    async with kernel() as run:
        run.send("brief:a", Heard(text="x"))
        await settled()
        first = epoch_of(run, "brief:a")
        run.cell("brief:a").mailbox.put_control(Passivate())
        await settled()
        assert "brief:a" not in run.awake()
        run.send("brief:a", Heard(text="y"))
        await settled()
        assert first and epoch_of(run, "brief:a") not in ("", first)
