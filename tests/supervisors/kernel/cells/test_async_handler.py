"""Handlers that wait, and deadlines."""

from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.life.many import admission
from greenroom.actors.model.errors import (
    CallCycle,
    DeadlineExceeded,
    HandlerFailed,
    HandlerStuck,
    OutcomeUnknown,
    Overloaded,
    Refused,
    StoreAway,
    Unavailable,
)
from greenroom.config.limits import SupervisionConfig
from greenroom.store.errors import DataRefused, StatementRefused, StoreUnavailable, TookTooLong
from greenroom.store.views.asked import Asked, Looked, Rows
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
    SlowHeard,
    SlowNoted,
    kernel,
    settled,
    texts_of,
)

A = "log:a"
B = "log:b"


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


class SlowViews:
    """Each question takes two seconds."""

    async def rows(self, row: Any, key: str, asked: Asked) -> Rows[Any]:
        await trio.sleep(2.0)
        return Rows([])

    async def rows_of_many(self, row: Any, keys: Any, *, limit: int, where: Any) -> dict[str, list[Any]]:
        await trio.sleep(2.0)
        return {}

    async def look(self, wanted: Any) -> Looked:
        await trio.sleep(2.0)
        return Looked({})


async def test_who_would_read_views_where_too_many_do_is_turned_away_and_all_else_goes_on(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "AT_ONCE", 1)
    monkeypatch.setattr(admission, "HELD_S", 100.0)

    async def look(actor: Any) -> int:
        return len((await actor.query(object, "all")).rows) + len(await actor.query_pages(object, ["a"], limit=1))

    async def note_and_look(actor: Any) -> int:
        actor.record(SlowNoted(text="noted"))
        return await look(actor)

    async def ask(actor: Any) -> Any:
        return await actor.ask("slow:asked", Do(act=look))

    async def ask_and_look(actor: Any) -> Any:
        await actor.ask("slow:told", Note(text="done there"))
        return await look(actor)

    async with kernel() as run:
        run.kernel.world._query = SlowViews()
        first = run.send("slow:first", Do(act=look), principal=ANN)
        await settled()
        turned_away = run.send("slow:second", Do(act=look), principal=ANN)
        acts = (note_and_look, ask, ask_and_look)
        others = [run.send(f"slow:third{at}", Do(act=act), principal=ANN) for at, act in enumerate(acts)]
        others.append(run.send("slow:fifth", Do(act=look)))
        note = run.send("slow:fourth", Note(text="no view"))
        await trio.sleep(3.0)
        assert isinstance(turned_away.answer, Overloaded) and turned_away.answered_at == admission.PATIENCE_S
        assert run.instruments.turned_away_reads == 1 and note.answer == 1
        await trio.sleep(20.0)
        assert [first.answer, *(other.answer for other in others)] == 5 * [0]
        again = run.send("slow:second", Do(act=look))
        await trio.sleep(5.0)
        assert again.answer == 0 and run.instruments.restarts == 0


async def glanced(run: Kernel, entity: str, message: Any) -> list[Any]:
    """What somebody hears who glances at `entity`."""
    seen: list[Any] = []
    await run.ask(B, Do(act=lambda actor: seen.append(actor.glance(entity, message))))
    return seen


async def test_who_is_awake_answers_a_glance_at_once_by_what_is_durable(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        assert await glanced(run, A, Read()) == [None], "it sleeps, and is not woken for that"
        await run.ask(A, Note(text="one"))
        assert await glanced(run, A, Read()) == [["one"]]
        run.journal.delay_s = 1.0
        noted = run.send(A, Note(text="two"))
        await trio.sleep(0.5)
        assert await glanced(run, A, Read()) == [None], "nobody hears of what is not durable"
        await noted.answered.wait()
        assert await glanced(run, A, Read()) == [["one", "two"]]


def note_and_refuse(actor: Log) -> None:
    actor.note("five")
    raise Refused("log.no")


async def test_a_glance_that_never_returns_ends_the_one_that_glanced_too(autojump_clock: MockClock) -> None:
    def hang(actor: Log) -> None:
        actor.note("two")
        raise HandlerStuck("as the watchdog raises it")

    async with kernel() as run:
        await run.ask(A, Note(text="one"))
        glancing = run.send(B, Do(act=lambda actor: actor.glance(A, Do(act=hang))))
        await trio.sleep(1)
        assert type(glancing.answer) is HandlerFailed and run.instruments.dead_letters == 1
        assert run.texts(A) == ["one"] and await run.ask(A, Read()) == ["one"]


async def test_a_glance_that_records_or_fails_is_none_and_nothing_of_it_was(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask(A, Note(text="one"))
        for message in (
            Note(text="two"),
            Fail(text="three"),
            Do(act=lambda actor: actor.tell(B, Heard(text="four"))),
            Do(act=note_and_refuse),
        ):
            assert await glanced(run, A, message) == [None]
            await settled()
            assert run.texts(A) == ["one"] and await run.ask(A, Read()) == ["one"]
        assert await glanced(run, A, Read()) == [["one"]]
        assert run.texts(B) == []


class Memory(Log):
    """It knows something that only memory holds."""

    remembered = 0

    def handle(self, message: Any) -> Any:
        self.remembered += 1
        return super().handle(message)


def failing(*, records: bool = False, then: str = "", error: Exception | None = None) -> Any:
    """What asks a store that is away, three times."""
    errors = 3 * [error or ExceptionGroup("", [StoreUnavailable("away")])]

    async def act(actor: Any) -> int:
        if records:
            actor.note("recorded")
        await trio.sleep(0.1)
        if errors:
            raise errors.pop()
        if then:
            actor.note(then)
        return 1

    return act


async def test_where_the_store_is_away_its_asker_hears_so_and_the_entity_goes_on(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Memory,), supervision=SupervisionConfig(restarts_max=1, strikes_max=1)) as run:
        with capture_logs() as logs:
            act = failing()
            away = [run.send(A, Do(act=act)) for _ in range(3)]
            there = run.send(A, Do(act=act))
            await there.answered.wait()
        assert all(isinstance(one.answer, StoreAway) and one.answer.temporary for one in away) and there.answer == 1
        actor: Any = run.cell(A).actor
        assert actor.remembered == 4 and run.instruments.restarts == 0
        assert {one["event"] for one in logs} == {"store_unavailable"}


async def test_what_it_had_recorded_by_then_never_was_and_no_failure_is_counted(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Memory,), supervision=SupervisionConfig(restarts_max=1, strikes_max=1)) as run:
        act = failing(records=True)
        away = [run.send(A, Do(act=act)) for _ in range(3)]
        there = run.send(A, Do(act=act))
        await there.answered.wait()
        assert all(isinstance(one.answer, StoreAway) for one in away) and there.answer == 1
        assert run.texts(A) == texts_of(run, A) == ["recorded"]
        assert run.instruments.restarts == 0 and not await run.letters.list(limit=1)


@pytest.mark.parametrize("records", [False, True])
async def test_what_nobody_would_send_again_is_handled_once_the_store_is_there(
    autojump_clock: MockClock, records: bool
) -> None:
    async with kernel(kinds=(Memory,), supervision=SupervisionConfig(restarts_max=1, strikes_max=1)) as run:
        done: list[int] = []
        act = failing(records=records)

        async def note(actor: Any) -> None:
            done.append(await act(actor))

        run.router.ref(A).tell(Do(act=note))
        await trio.sleep(60.0)
        assert done == [1] and run.instruments.restarts == 0
        actor: Any = run.cell(A).actor
        assert run.cell(A).timers == actor.afters == 0


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("how", ["timer", "told"])
async def test_timers_and_what_was_told_come_again_by_themselves(
    autojump_clock: MockClock, how: str, records: bool
) -> None:
    class Late(Slow):
        async def handle(self, message: Any) -> Any:
            if isinstance(message, Do):
                return await message.act(self)
            await act(self)
            return None

    async def begin(actor: Any) -> None:
        if how == "timer":
            actor.set_timer("late", SlowHeard(text="x"), after=1.0)
        else:
            actor.tell("slow:b", SlowHeard(text="x"))

    act = failing(records=True) if records else failing(then="recorded")
    async with kernel(kinds=(Late,), supervision=SupervisionConfig(restarts_max=1, strikes_max=1)) as run:
        entity = "slow:a" if how == "timer" else "slow:b"
        await run.ask("slow:a", Do(act=begin))
        await trio.sleep(120.0)
        assert run.texts(entity)[-1:] == ["recorded"] and run.texts(entity).count("recorded") == 1
        assert run.instruments.restarts == 0 and not await run.letters.list(limit=1)


@pytest.mark.parametrize("error", [DataRefused("no such text"), StatementRefused("no table"), TookTooLong("so much")])
async def test_what_a_store_refuses_that_is_there_is_a_crash(autojump_clock: MockClock, error: Exception) -> None:
    async with kernel(kinds=(Memory,)) as run:
        refused = run.send(A, Do(act=failing(error=error)))
        await trio.sleep(60.0)
        assert isinstance(refused.answer, HandlerFailed) and run.instruments.restarts == 3


async def test_who_waits_for_their_turn_is_turned_away_before_they_have_done_anything(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they had asked somebody before they read, they would not be."""
    monkeypatch.setattr(admission, "AT_ONCE", 1)
    monkeypatch.setattr(admission, "HELD_S", 100.0)

    async def look(actor: Any) -> int:
        await actor.wait_to_read()
        await actor.ask("slow:told", Note(text="done there"))
        return len((await actor.query(object, "all")).rows)

    async with kernel() as run:
        run.kernel.world._query = SlowViews()
        first = run.send("slow:first", Do(act=look), principal=ANN)
        await settled()
        turned_away = run.send("slow:second", Do(act=look), principal=ANN)
        await trio.sleep(5.0)
        assert first.answer == 0
        assert isinstance(turned_away.answer, Overloaded)
        assert await run.ask("slow:told", Note(text="once there")) == 2
