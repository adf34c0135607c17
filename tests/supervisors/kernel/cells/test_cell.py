import math
from typing import NoReturn

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import Overloaded, Unavailable
from greenroom.actors.model.lifecycle import BeginAnew, Inspect, Passivate
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import MailboxConfig, SupervisionConfig
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.records import StoredEvent
from greenroom.supervisors.kernel.cells import cell as cell_module
from tests.supervisors.kernel.small_kernel import Do, Fail, Heard, Kernel, Log, Note, Read, kernel, settled, texts_of

A = "log:a"
B = "log:b"


def epoch_of(run: Kernel, entity: str) -> str:
    life = run.cell(entity).life
    assert life is not None
    return life.epoch


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


# Glances.


async def test_who_fails_in_a_glance_without_having_recorded_goes_on(autojump_clock: MockClock) -> None:
    def act(actor: Log) -> None:
        actor.tell(B, Heard(text="never"))
        raise ZeroDivisionError

    async with kernel() as run:
        await run.ask(A, Note(text="x"))
        life = run.cell(A).life
        for _ in range(20):  # by each who looks
            assert run.router.glance(A, Do(act=act)) is None
            assert life is not None and not life.actor.effects.others
        assert await run.ask(A, Read()) == ["x"] and run.texts(B) == []
        assert run.cell(A).life is life and run.instruments.restarts == 0


async def test_who_records_in_a_glance_crashes_by_it_and_too_often_is_kept_down(autojump_clock: MockClock) -> None:
    async with kernel(supervision=SupervisionConfig(restarts_max=2, backoff_first_s=1.0)) as run:
        await run.ask(A, Note(text="x"))
        for number in range(3):
            assert run.router.glance(A, Note(text="never")) is None
            assert run.router.glance(A, Read()) is None, "the next life is not there yet"
            await trio.sleep(0.0)
            assert run.router.glance(A, Read()) is None
            if number < 2:
                assert await run.ask(A, Read()) == ["x"] == run.router.glance(A, Read())
        await settled()
        assert run.instruments.restarts == 3 and A not in run.awake()
        with pytest.raises(Unavailable):
            await run.ask(A, Read())


async def test_what_a_failed_handler_had_recorded_is_not_to_be_glanced_at(autojump_clock: MockClock) -> None:
    async with kernel(supervision=SupervisionConfig(backoff_first_s=5.0, strikes_max=1)) as run:
        await run.ask(A, Note(text="x"))
        assert run.router.glance(A, Read()) == ["x"]
        run.send(A, Fail(text="never"))
        await settled()
        assert texts_of(run, A) == ["x", "never"] and run.router.glance(A, Read()) is None
        assert await run.ask(A, Read()) == ["x"] == run.router.glance(A, Read())


async def test_a_life_that_is_over_is_not_to_be_glanced_at(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the word that it is to begin anew until the next one is there, however long the store is away."""
    async with kernel() as run:
        await run.ask(A, Note(text="x"))
        run.cell(A).mailbox.put_control(BeginAnew())
        assert run.router.glance(A, Read()) is None, "it has not obeyed yet"

        async def away(*_: object, **__: object) -> NoReturn:
            await trio.lowlevel.checkpoint()
            raise StoreUnavailable("away")

        with monkeypatch.context() as patched:
            patched.setattr(run.journal, "claim", away)
            await trio.sleep(5.0)
            assert run.cell(A).life is not None and run.router.glance(A, Read()) is None
        assert await run.ask(A, Read()) == ["x"] == run.router.glance(A, Read())


async def test_who_may_be_another_nodes_by_now_is_not_to_be_glanced_at() -> None:
    async with kernel() as run:
        await run.ask(A, Note(text="x"))
        run.cell(A).host.ownership.valid_until = -1.0  # type: ignore[misc]
        assert run.router.glance(A, Read()) is None


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
