"""Answers that are read aside: the entity goes on meanwhile, and whoever asked hears something, once."""

from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.life import life as life_module
from greenroom.actors.life.departures import Reading
from greenroom.actors.life.many.admission import AT_ONCE, PATIENCE_S, Admission
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Aside, KindLimits
from greenroom.actors.model.errors import DeadlineExceeded, HandlerFailed, Overloaded, Refused, Unavailable
from greenroom.actors.model.message import Later
from greenroom.config.limits import PassivationConfig, SupervisionConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable
from greenroom.store.views.asked import Asked, Looked, Rows
from greenroom.supervisors.delivery import asides
from greenroom.testing import Kit
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import (
    ANN,
    Brief,
    Do,
    Heard,
    Kernel,
    Log,
    Note,
    Read,
    Slot,
    kernel,
    settled,
    texts_of,
)

A, B = "log:a", "log:b"


class Quick(Log):
    limits = KindLimits(async_handler_s=10.0, idle_s=1.0)


def aside(run: Kernel, read: Any, entity: str = A, **fields: Any) -> Slot:
    return run.send(entity, Do(act=lambda actor: Aside(read)), **fields)


def texts_after(event: trio.Event, run: Kernel) -> Any:
    """What is in memory then, durable or not."""

    async def read(reads: Any) -> list[str]:
        await event.wait()
        return texts_of(run, A)

    return read


def sleeping(seconds: float) -> Any:
    async def read(reads: Any) -> None:
        await trio.sleep(seconds)

    return read


async def test_messages_are_handled_while_an_answer_is_read(autojump_clock: MockClock) -> None:
    go_on = trio.Event()

    async def read(reads: Any) -> Any:
        await go_on.wait()
        return await reads.ask(A, Read())  # the entity itself, which waits for nobody

    async with kernel(kinds=(Quick, Brief)) as run:
        first, second = aside(run, read), aside(run, read)
        noted = run.send(A, Note(text="meanwhile"))
        await noted.answered.wait()
        assert not first.answers and noted.answer == 1
        go_on.set()
        await settled()
        assert first.answer == second.answer == ["meanwhile"] and len(run.kernel.asides) == 0


async def test_it_is_read_once_what_was_recorded_before_is_durable(autojump_clock: MockClock) -> None:
    begun: list[int] = []

    async def read(reads: Any) -> int:
        begun.append(1)
        return 1

    async with kernel(kinds=(Quick, Brief)) as run:
        run.journal.hold()
        run.send(A, Note(text="before"))
        await settled()
        reading = aside(run, read)
        await settled()
        assert not begun
        run.journal.release()
        await settled()
        assert reading.answer == 1


async def test_what_it_raises_is_the_answer_and_nobody_elses_trouble(autojump_clock: MockClock) -> None:
    async def refuses(reads: Any) -> None:
        raise Refused("log.closed", "no")

    async def fails(reads: Any) -> None:
        raise ZeroDivisionError

    async def in_a_nursery(reads: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuses, reads)

    async with kernel(kinds=(Quick, Brief)) as run:
        run.send(A, Note(text="here"))
        refused, failed, grouped = aside(run, refuses), aside(run, fails), aside(run, in_a_nursery)
        late = aside(run, sleeping(11.0))
        later = aside(run, sleeping(9.0), deadline=trio.current_time() + 5.0)
        await late.answered.wait()
        assert refused.answer.name == grouped.answer.name == "log.closed"
        assert isinstance(failed.answer, HandlerFailed)
        assert isinstance(late.answer, DeadlineExceeded) and isinstance(later.answer, DeadlineExceeded)
        assert later.answered_at == 5.0 and late.answered_at == 10.0
        assert run.texts(A) == ["here"] and run.instruments.restarts == 0


async def test_whoever_waits_when_the_life_ends_is_told_to_ask_again(autojump_clock: MockClock) -> None:
    go_on = trio.Event()

    async def read(reads: Any) -> str:
        await go_on.wait()
        return "late"

    async with kernel(kinds=(Quick, Brief)) as run:
        waiting = aside(run, read)
        await settled()
        run.send(A, Do(act=lambda actor: 1 / 0))
        await waiting.answered.wait()
        go_on.set()
        await settled()
        assert isinstance(waiting.answer, Unavailable)
        lost = run.send(A, Note(text="x"))
        run.journal.faults["append"] += [Fault.LOST]
        second = aside(run, read)
        await lost.answered.wait()
        await settled()
        assert second.answer == "late" or isinstance(second.answer, Unavailable)


async def test_an_entity_that_is_being_read_does_not_sleep(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Quick, Brief), passivation=PassivationConfig(sweep_s=0.5)) as run:
        reading = aside(run, sleeping(8.0))
        await trio.sleep(5.0)
        assert A in run.awake() and not reading.answers
        await reading.answered.wait()
        await trio.sleep(5.0)
        assert A not in run.awake()


async def test_many_readers_are_no_queue(autojump_clock: MockClock) -> None:
    """As if each read a page by a statement of 50 ms."""
    async with kernel(kinds=(Quick, Brief)) as run:
        reading = [aside(run, sleeping(0.05)) for _ in range(20)]
        noted = run.send(A, Note(text="behind them"))
        await settled()
        assert noted.answered_at == 0.0
        await reading[-1].answered.wait()
        await settled()
        assert {one.answered_at for one in reading} == {0.05}


@pytest.mark.bound("answers of an entity that are read aside")
async def test_so_many_of_an_entity_are_read_at_once(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Quick, Brief)) as run:
        slots = [aside(run, sleeping(1.0)) for _ in range(life_module.ASIDES_MAX + 1)]
        await trio.sleep(2.0)
        assert [isinstance(one.answer, Overloaded) for one in slots] == life_module.ASIDES_MAX * [False] + [True]


@pytest.mark.bound("those of a node")
async def test_so_many_are_read_at_once(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    monkeypatch.setattr(life_module, "ASIDES_MAX", 2)
    monkeypatch.setattr(asides, "READING_MAX", 3)
    async with kernel(kinds=(Quick, Brief)) as run:
        first = [aside(run, sleeping(1.0)) for _ in range(3)]
        await settled()
        others = [aside(run, sleeping(1.0), entity=B) for _ in range(2)]
        await trio.sleep(2.0)
        answers = [slot.answer for slot in (*first, *others)]
        assert [isinstance(one, Overloaded) for one in answers] == [False, False, True, False, True]
        again = aside(run, sleeping(1.0))
        await again.answered.wait()
        assert again.answer is None


async def test_what_records_can_not_be_read_aside(autojump_clock: MockClock) -> None:
    def act(actor: Any) -> Any:
        actor.note("x")
        return Aside(sleeping(0.0))

    async with kernel(kinds=(Quick, Brief)) as run:
        wrong = run.send(A, Do(act=act))
        await wrong.answered.wait()
        assert isinstance(wrong.answer, HandlerFailed) and run.texts(A) == []


async def test_without_a_nursery_nobody_waits(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Quick, Brief)) as run:
        run.kernel.asides._nursery = None
        reading = aside(run, sleeping(1.0))
        await reading.answered.wait()
        assert isinstance(reading.answer, Unavailable)
        run.send(A, Heard(text="on"))


def test_the_kit_reads_at_once() -> None:
    class Reader(Log):
        def handle(self, message: Any) -> Any:
            async def read(reads: Any) -> list[str]:
                found: list[str] = await reads.ask(B, Read())
                return found

            return Aside(read)

    kit = Kit(Reader, key="a")
    kit.when_asked(B, lambda message: ["theirs"])
    assert kit.ask(Read()) == ["theirs"]


@pytest.mark.parametrize("refuses", [False, True])
async def test_what_was_recorded_meanwhile_is_said_once_it_is_durable(autojump_clock: MockClock, refuses: bool) -> None:
    go_on = trio.Event()

    async def refuse(reads: Any) -> None:
        await go_on.wait()
        raise Refused("log.closed")

    async with kernel(kinds=(Quick, Brief)) as run:
        reading = aside(run, refuse if refuses else texts_after(go_on, run))
        await settled()
        run.journal.hold()
        run.send(A, Note(text="meanwhile"))
        await settled()
        go_on.set()
        await settled()
        assert not reading.answers
        run.journal.release()
        await settled()
        assert reading.answer.name == "log.closed" if refuses else reading.answer == ["meanwhile"]


async def _note_and_fail(actor: Any) -> None:
    actor.note("meanwhile")
    await trio.sleep(1.0)
    raise ZeroDivisionError


@pytest.mark.parametrize("how", ["its append is lost", "its handler fails", "its handler has failed"])
async def test_what_never_became_durable_is_never_said(autojump_clock: MockClock, how: str) -> None:
    go_on = trio.Event()
    async with kernel(kinds=(Quick, Brief), supervision=SupervisionConfig(backoff_first_s=5.0, strikes_max=1)) as run:
        reading = aside(run, texts_after(go_on, run))
        await settled()
        if how == "its append is lost":
            run.journal.faults["append"] += [Fault.LOST]
            run.send(A, Note(text="meanwhile"))
            await settled()
        else:
            run.send(A, Do(act=_note_and_fail))
            await trio.sleep(1.001 if how == "its handler has failed" else 0.5)
        assert texts_of(run, A) == ["meanwhile"] and not reading.answers
        go_on.set()
        await reading.answered.wait()
        await settled()
        assert isinstance(reading.answer, Unavailable) and len(run.kernel.asides) == 0
        await trio.sleep(600.0)


async def _takes_long(actor: Any) -> None:
    await trio.sleep(5.0)


async def test_it_does_not_wait_for_what_is_being_handled_and_has_recorded_nothing(autojump_clock: MockClock) -> None:
    go_on = trio.Event()
    async with kernel(kinds=(Quick, Brief)) as run:
        reading = aside(run, texts_after(go_on, run))
        await settled()
        handled = run.send(A, Do(act=_takes_long))
        await settled()
        go_on.set()
        await settled()
        assert reading.answer == [] and not handled.answers
        await handled.answered.wait()


class Views:
    """A question takes 0.4 s."""

    def __init__(self) -> None:
        self.under_way = 0
        self.most = 0

    async def rows(self, row: Any, key: str, asked: Asked) -> Rows[Any]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await trio.sleep(0.4)
        self.under_way -= 1
        return Rows([])

    async def rows_of_many(self, row: Any, keys: Any, *, limit: int, where: Any) -> dict[str, list[Any]]:
        await self.rows(row, "", Asked())
        return {}

    async def look(self, wanted: Any) -> Looked:
        await self.rows(None, "", Asked())
        return Looked({})


@pytest.mark.parametrize("pages_first", [False, True])
async def test_each_has_its_turn_where_many_read_views(autojump_clock: MockClock, pages_first: bool) -> None:
    async def pages(reads: Any) -> int:
        return len(await reads.query_pages(object, ["a"], limit=1))

    async def rows(reads: Any) -> int:
        return len((await reads.query(object, "all")).rows)

    async def read(reads: Any) -> int:
        await reads.ask(B, Read())
        first, last = (pages, rows) if pages_first else (rows, pages)
        return await first(reads) + await last(reads)

    views = Views()
    async with kernel(kinds=(Quick, Brief)) as run:
        run.kernel.world._query = views
        clients = [aside(run, read, principal=ANN) for _ in range(3 * AT_ONCE)]
        for slot in clients:
            await slot.answered.wait()
        answers = [slot.answer for slot in clients]
        assert {slot.answered_at for slot in clients} == {0.8, PATIENCE_S, 1.6}
        assert views.most == AT_ONCE and answers.count(0) == 2 * AT_ONCE
        assert sum(isinstance(one, Overloaded) for one in answers) == AT_ONCE == run.instruments.turned_away_reads
        own = [aside(run, read) for _ in range(2 * AT_ONCE)]
        for slot in own:
            await slot.answered.wait()
        assert [slot.answer for slot in own] == 2 * AT_ONCE * [0], "Greenroom itself is not turned away"


async def test_what_was_read_is_no_answer_before_the_lease_is_fresh(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Quick, Brief)) as run:
        fresh = trio.Event()
        run.kernel.asides._fresh = fresh.wait
        reading = aside(run, sleeping(0.1))
        await trio.sleep(1.0)
        assert not reading.answers
        fresh.set()
        await settled()
        assert reading.answer is None


async def test_where_the_store_is_away_who_asked_hears_so_and_it_is_no_failure(autojump_clock: MockClock) -> None:
    async def read(reads: Any) -> None:
        raise StoreUnavailable("away")

    async with kernel(kinds=(Quick, Brief)) as run:
        with capture_logs() as logs:
            reading = aside(run, read)
            await settled()
        assert isinstance(reading.answer, Unavailable)
        assert [one["event"] for one in logs] == ["store_unavailable"]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), Overloaded("too many read")])
async def test_that_it_can_not_be_read_for_now_is_heard_before_anything_is_durable(
    autojump_clock: MockClock, error: Exception
) -> None:
    go_on = trio.Event()

    async def read(reads: Any) -> None:
        await go_on.wait()
        raise error

    async with kernel(kinds=(Quick, Brief)) as run:
        reading = aside(run, read)
        await settled()
        run.journal.hold()
        run.send(A, Note(text="meanwhile"))
        await settled()
        go_on.set()
        await settled()
        assert isinstance(reading.answer, Unavailable | Overloaded)
        run.journal.release()


async def test_while_the_node_stops_nothing_more_is_read(autojump_clock: MockClock) -> None:
    async def read(reads: Any) -> None:
        await trio.sleep(1.0)

    part = asides.Asides(
        turn=Turn(),
        admission=Admission(Instruments()),
        fresh=trio.lowlevel.checkpoint,
        note_store_unavailable=lambda error: None,
    )
    async with kernel(kinds=(Quick, Brief)) as run:
        run.send(A, Note(text="awake"))
        await settled()
        life = run.cell(A).life
        assert life is not None
        async with trio.open_nursery() as nursery:
            await nursery.start(part.run)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await settled()
                late = Slot(run)
                part.start(life, Reading(_later(late), read, 10.0, is_command=True))
        assert isinstance(late.answer, Unavailable)


def _later(slot: Slot) -> Later:
    later = Later()
    later.wait(slot, {})
    return later
