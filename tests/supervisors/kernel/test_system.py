from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import (
    ActorError,
    DeadlineExceeded,
    NotHere,
    OutcomeUnknown,
    Unavailable,
    UnknownKind,
)
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import CommitConfig, PassivationConfig, SupervisionConfig
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.store.journal.records import Append, Outcome
from greenroom.supervisors.kernel import cell, snapshot_writer
from greenroom.supervisors.kernel.ownership import Ownership
from greenroom.supervisors.supervision.strategy import RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise
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
    Slot,
    Slow,
    heard,
    kernel,
)

A = "log:a"
B = "log:b"
C = "log:c"


async def settled() -> None:
    await wait_all_tasks_blocked()


# Routing and waking.


async def test_the_first_message_wakes_an_entity_and_looking_for_its_ref_does_not() -> None:
    async with kernel() as run:
        ref = run.router.ref(A)
        assert run.awake() == set()
        assert await ref.ask(Read()) == []
        assert run.awake() == {A}
        assert (run.instruments.activations, run.instruments.awake) == (1, 1)


@pytest.mark.parametrize(("entity", "error"), [("nokind:x", UnknownKind), ("log", BadEntity), ("Log:x", BadEntity)])
async def test_what_is_no_entity_is_refused_before_anything_is_queued(entity: str, error: type[ActorError]) -> None:
    async with kernel() as run:
        with pytest.raises(error):
            run.router.ref(entity)
        with pytest.raises(error):
            run.send(entity, Read())
        assert run.awake() == set()


async def test_an_entity_of_another_node_is_refused_for_now_by_its_name_and_what_it_is_told_waits(
    autojump_clock: MockClock,
) -> None:
    class Half(Ownership):
        def owns(self, entity: str) -> bool:
            return entity != B

    async with kernel(ownership=Half()) as run:
        with pytest.raises(NotHere) as refused:
            await run.ask(B, Note(text="x"))
        assert (refused.value.name, refused.value.status, refused.value.temporary) == ("not_owner", 503, True)

        def tell(actor: Log) -> int:
            actor.set_timer("later", Heard(text="rang"), after=3)
            actor.tell(B, Heard(text="x"))
            return actor.offset

        await run.ask(A, Do(act=tell))
        await trio.sleep(60)
        assert run.texts(A)[-1] == "rang", "waker and relay go on"
        assert (run.kernel.relay.waiting, run.texts(B)) == (1, [])


async def test_messages_of_one_sender_arrive_in_order_also_while_the_entity_wakes(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.journal.delay_s = 1.0
        ref = run.router.ref(A)
        for number in range(10):
            ref.tell(Heard(text=str(number)))
        await trio.sleep(0.5)
        for number in range(10, 20):
            ref.tell(Heard(text=str(number)))
        await trio.sleep(10)
        assert run.texts(A) == [str(number) for number in range(20)]


async def test_a_ref_outlives_the_actors_sleep() -> None:
    async with kernel() as run:
        ref = run.router.ref(A)
        ref.tell(Heard(text="x"))
        await settled()
        run.cell(A).mailbox.put_control(Passivate())
        await settled()
        assert run.awake() == set()
        ref.tell(Heard(text="y"))
        assert await ref.ask(Read()) == ["x", "y"]
        assert run.instruments.passivations == 1


async def test_an_ask_that_is_cancelled_leaves_its_message_to_be_handled(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.journal.hold()
        with trio.move_on_after(1.0) as scope:
            await run.ask(A, Note(text="x"))
        assert scope.cancelled_caught
        run.journal.release()
        await settled()
        assert run.texts(A) == ["x"]


async def test_entities_without_a_journal_answer_at_once_and_forget_when_they_stop(autojump_clock: MockClock) -> None:
    async with kernel(passivation=PassivationConfig(idle_s=5.0, sweep_s=1.0)) as run:
        run.router.ref("brief:a").tell(Heard(text="x"))
        assert await run.ask("brief:a", Read()) == ["x"]
        await trio.sleep(10)
        assert await run.ask("brief:a", Read()) == []
        assert set(run.journal.calls) <= {"outbox", "due", "lineage"}  # looked at for others' sake


# Sleep.


# Messages after a while.


def after(seconds: float, text: str) -> Do:
    def act(actor: Log) -> None:
        actor.after(seconds, Heard(text=text))

    return Do(act=act)


def pending(run: Kernel, entity: str) -> int:
    """Its messages to itself that have not come yet."""
    life = run.cell(entity)._life
    return life.actor.afters if life is not None else 0


async def test_messages_after_a_while_come_in_their_order(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask(A, after(3, "third"))
        await run.ask(A, after(1, "first"))
        await run.ask(B, after(2, "another entity's"))
        await run.ask(A, after(2, "second"))
        await trio.sleep(2.5)
        assert run.texts(A) == ["first", "second"]
        assert pending(run, A) == 1
        await trio.sleep(100)
        assert run.texts(A) == ["first", "second", "third"]
        assert run.texts(B) == ["another entity's"]


@pytest.mark.parametrize("seconds", [float("nan"), -1.0, 0.0])
async def test_a_timer_for_no_time_at_all_fires_at_once(seconds: float, autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask(A, after(seconds, "x"))
        await trio.sleep(0.1)
        assert run.texts(A) == ["x"]


async def test_a_timer_does_not_survive_the_actor_and_does_not_keep_its_successor_awake(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:
        await run.ask(A, after(10, "never"))
        run.send(A, Fail())
        await trio.sleep(5)
        assert pending(run, A) == 0
        await trio.sleep(20)
        assert run.texts(A) == []


# Dead letters.


async def test_a_letter_waits_for_a_store_that_is_down(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        add, tries = run.letters.add, 0

        async def flaky(letter: Any, *, key: int | None = None) -> None:
            nonlocal tries
            tries += 1
            if tries < 5:
                raise StoreUnavailable("down")
            await add(letter)

        run.letters.add = flaky  # type: ignore[method-assign]
        run.router.tell("nokind:x", Heard(text="x"))
        await trio.sleep(60)
        assert (len(await run.letters.list(limit=10)), tries) == (1, 5)


async def test_a_letter_that_cannot_be_written_does_not_take_the_system_down() -> None:
    async with kernel() as run:
        add = run.letters.add

        async def broken(letter: Any, *, key: int | None = None) -> None:
            raise ValueError("no such text")

        run.letters.add = broken  # type: ignore[method-assign]
        run.router.tell("nokind:x", Heard(text="x"))
        run.router.tell("nokind:x", Do(act=len))  # can't even be encoded
        await settled()
        run.letters.add = add  # type: ignore[method-assign]
        run.router.tell("nokind:y", Heard(text="y"))
        await settled()
        assert [letter.entity for letter in await run.letters.list(limit=10)] == ["nokind:y"]
        assert run.instruments.dead_letters == 3


# Stopping, and starting again.


async def test_draining_finishes_turns_flushes_commits_and_wakes_nobody(autojump_clock: MockClock) -> None:
    async with kernel() as run:

        async def act(actor: Log) -> str:
            await trio.sleep(2)
            actor.note("late")
            return "done"

        turn = run.send("slow:a", Do(act=act))
        await settled()
        run.journal.delay_s = 1.0
        committing = run.send(A, Note(text="x"))
        await trio.sleep(1.5)
        queued = run.send("slow:a", Read())
        add = run.letters.add

        async def slowly(letter: Any, *, key: int | None = None) -> None:
            await trio.sleep(20)
            await add(letter)

        run.letters.add = slowly  # type: ignore[method-assign]
        run.router.tell("nokind:x", Heard(text="x"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.kernel.drain)
            nursery.start_soon(run.kernel.drain)  # twice does no harm
            await trio.sleep(0.1)
            with pytest.raises(Unavailable):
                run.send(B, Read())
        assert (turn.answer, committing.answer, type(queued.answer)) == ("done", 1, Unavailable)
        assert (run.awake(), run.kernel.committer.pending_count) == (set(), 0)
        assert len(await run.letters.list(limit=10)) == 1


async def test_a_drain_outlasts_a_commit_that_fails_meanwhile(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send(A, Read())
        await settled()
        run.journal.faults["append"] += [Fault.LOST]
        run.journal.hold()
        slot = run.send(A, Note(text="x"))
        await settled()
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run.kernel.drain)
                await settled()
                run.journal.release()
        assert isinstance(slot.answer, (int, Unavailable))
        assert run.texts(A) == (["x"] if slot.answer == 1 else [])


@pytest.mark.parametrize("culprit", ["committer", "claims"])
async def test_whichever_part_of_the_kernel_crashes_its_supervisor_starts_all_that_trusted_it_afresh(
    culprit: str, autojump_clock: MockClock
) -> None:
    run = Kernel(commit=CommitConfig(lanes=2), passivation=PassivationConfig(sweep_s=1.0, memory_bytes_max=1))
    run.audience.watchers = {}
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, supervised(run))
        await run.ask(B, Note(text="before"))
        await run.ask(B, after(1000, "lost with its actor"))
        slots: list[Slot] = []
        match culprit:
            case "committer":
                run.journal.faults["append"].append(Fault.CRASHES)
                slots += [run.send(entity, Note(text="x")) for entity in (A, B)]
            case "claims":
                run.journal.faults["claim"].append(Fault.CRASHES)
                slots += [run.send(A, Note(text="x"))]
        await trio.sleep(2)
        assert all(isinstance(slot.answer, OutcomeUnknown | Unavailable | int) for slot in slots)
        assert (run.awake(), run.instruments.awake, run.kernel.committer.pending_count) == (set(), 0, 0)
        with trio.fail_after(5):
            assert await run.ask(B, Read()) == run.texts(B)
            await run.ask(A, Note(text="y"))
        await trio.sleep(2000)
        assert run.texts(A)[-1] == "y"
        assert "lost with its actor" not in run.texts(B)
        nursery.cancel_scope.cancel()
    with pytest.raises(Unavailable):
        run.send(A, Read())


def supervised(run: Kernel, *, restarts_max: int = 1) -> SupervisorSpec:
    return SupervisorSpec(
        name="node",
        strategy=Strategy.REST_FOR_ONE,
        intensity=RestartIntensity(restarts_max=restarts_max, window_s=60.0),
        children=run.kernel.core + run.kernel.duties,
    )


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("crashes", [1, 2])
async def test_whoever_watches_hears_what_had_landed_when_the_system_crashed_though_nobody_speaks(
    crashes: int, lands: bool, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another crash ends the next life before it has begun. What nobody watches sleeps on."""
    run = Kernel()
    run.audience.watchers = {A: [ANN], C: [ANN]}
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, supervised(run, restarts_max=crashes))
        for entity in (A, B, C):
            await run.ask(entity, Note(text="known"))
        began: list[tuple[str, int]] = []
        run.audience.began = lambda entity, epoch, offset: began.append((entity, offset))  # type: ignore[method-assign]

        async def unheard(batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
            if lands:
                await run.journal.memory.append(batch)
            await trio.sleep_forever()
            raise AssertionError

        monkeypatch.setattr(run.journal, "append", unheard)
        slots = [run.send(A, Note(text="x")), run.send(B, Note(text="x"))]
        await settled()
        run.journal.faults["claim"] += [Fault.CRASHES] * crashes
        slots.append(run.send("log:crashes", Read()))
        await trio.sleep(60)
        assert not run.journal.faults["claim"]
        assert all(isinstance(slot.answer, OutcomeUnknown | Unavailable) for slot in slots)
        assert (began, run.awake()) == ([(A, 1 + lands)], {A})
        nursery.cancel_scope.cancel()


async def test_the_watchers_of_an_entity_that_is_kept_down_hear_of_it_after_a_crash_of_the_system_too(
    autojump_clock: MockClock,
) -> None:
    run = Kernel(supervision=SupervisionConfig(restarts_max=0, backoff_max_s=30.0))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, supervised(run))
        await run.ask(A, Note(text="known"))
        run.journal.faults["append"] += [Fault.LANDED_LOST]
        run.journal.faults["read"] += [Fault.CRASHES]
        run.send(A, Note(text="x"))
        await trio.sleep(1)
        assert run.awake() == set()
        run.journal.faults["claim"] += [Fault.CRASHES]
        run.send(B, Read())
        await trio.sleep(25)
        assert run.awake() == set()
        await trio.sleep(10)
        assert run.awake() == {A}
        nursery.cancel_scope.cancel()


def test_the_relay_falls_with_the_system_and_begins_before_it() -> None:
    """One that begins anew has forgotten what was under way: senders that stay awake would overtake it."""
    names = [part.name for part in Kernel().kernel.core]
    assert names.index("relay") < names.index("system")
    assert "relay" not in [part.name for part in Kernel().kernel.duties]


async def test_a_duty_that_crashes_is_nobody_elses_business(autojump_clock: MockClock) -> None:
    run = Kernel(passivation=PassivationConfig(sweep_s=1.0, memory_bytes_max=1), memory_bytes=_breaks_once())
    core = SupervisorSpec(
        name="core",
        strategy=Strategy.REST_FOR_ONE,
        intensity=RestartIntensity(restarts_max=0, window_s=60.0),
        children=run.kernel.core,
    )
    duties = SupervisorSpec(
        name="duties",
        strategy=Strategy.ONE_FOR_ONE,
        intensity=RestartIntensity(restarts_max=1, window_s=60.0),
        children=run.kernel.duties,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, core)
        await nursery.start(supervise, duties)
        await run.ask(B, Note(text="before"))
        await run.ask(B, after(3, "kept"))
        await trio.sleep(10)  # passivation crashes once, and then puts others to sleep again
        assert run.texts(B) == ["before", "kept"]
        assert run.instruments.activations == 1
        nursery.cancel_scope.cancel()


def _breaks_once() -> Callable[[], int]:
    answers = iter([ZeroDivisionError("boom")])

    def bytes_used() -> int:
        for error in answers:
            raise error
        return 0

    return bytes_used


async def test_a_system_that_has_not_started_wakes_nobody() -> None:
    run = Kernel()
    with pytest.raises(Unavailable):
        run.router.submit(A, Envelope(message=Read()))


# All of it at once.

ENTITIES = ("log:a", "log:b", "slow:c")
FAULTS = st.sampled_from([Fault.NONE, Fault.UNAVAILABLE, Fault.LOST, Fault.LANDED_LOST])
FAULTY = ["append", "append", "append", "claim", "read", "replies", "received", "delivered", "outbox"]
entities = st.sampled_from(ENTITIES)
ACTIONS = st.one_of(
    st.tuples(st.just("note"), entities, st.integers(1, 3)),
    st.tuples(st.just("note"), entities, st.integers(1, 3)),
    st.tuples(st.just("note with id"), entities, st.integers(0, 3)),
    st.tuples(st.just("note with deadline"), entities, st.sampled_from([0.0, 0.01, 1.0])),
    st.tuples(st.just("tell"), entities),
    st.tuples(st.just("tell on"), entities, entities),
    st.tuples(st.just("ask to tell"), entities, entities),
    st.tuples(st.just("ask to tell"), entities, entities),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5])),
    st.tuples(st.just("read"), entities),
    st.tuples(st.just("fail"), entities),
    st.tuples(st.just("passivate"), entities),
    st.tuples(st.just("passivate"), entities),
    st.tuples(st.just("fault"), st.sampled_from(FAULTY), FAULTS),
    st.tuples(st.just("slow"), st.sampled_from([0.0, 0.003, 0.3])),
    st.tuples(st.just("let run"), st.integers(1, 15)),
    st.tuples(st.just("let run"), st.integers(1, 15)),
    st.tuples(st.just("sleep"), st.sampled_from([0.002, 0.05, 3.0])),
    st.tuples(st.just("restart")),
)


class ShortLog(Log):
    limits = KindLimits(snapshot_every=5)


class ShortSlow(Slow):
    limits = KindLimits(snapshot_every=5)


class Photographed(Log):
    limits = KindLimits(snapshot_every=1)


async def test_snapshots_that_find_no_room_are_skipped_counted_and_logged_once_a_minute(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_writer, "WAITING_MAX", 2)
    async with kernel(kinds=(Photographed,)) as run:
        saved = run.journal.save_snapshot
        room = trio.Event()

        async def save(*args: Any, **named: Any) -> Any:
            await room.wait()
            return await saved(*args, **named)

        run.journal.save_snapshot = save  # type: ignore[method-assign]
        with capture_logs() as logs:
            for number in range(8):  # one is being written, two wait
                run.send(A, Note(text=str(number)))
                await trio.sleep(1)
            room.set()
            await trio.sleep(60)
            room = trio.Event()
            for number in range(4):
                run.send(A, Note(text=f"later {number}"))
                await trio.sleep(0.1)
            room.set()
            await trio.sleep(1)
        assert run.journal.offset(A) == 12
    skipped = [one.get("passed_over", 0) for one in logs if one["event"] == "snapshot_skipped"]
    assert skipped == [0, 4], "the first at once; a minute later the next, with the number of those between"


class Script:
    """Plays actions on a kernel, and then holds what was answered against what is in the journal."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self.incarnation = 0
        self.number = 0
        self.notes: list[tuple[str, str, int, str | None, Slot]] = []  # entity, text, times, id
        self.tells: list[tuple[str, str]] = []
        self.told: dict[tuple[str, str], list[tuple[str, Slot]]] = {}  # (sender, receiver) -> texts, in order
        self.disturbed = False  # a failure or restart may lose tells and refuse asks
        self.rest: list[tuple[Any, ...]] = []

    def offset(self, entity: str) -> int:
        row = self.rows.by_entity.get(entity)
        return row.head.offset if row else 0

    def text(self) -> str:
        self.number += 1
        return f"{self.number:04}"

    async def play(self, actions: list[tuple[Any, ...]]) -> None:
        self.rest = list(actions)
        while True:
            self.incarnation += 1
            before = {entity: self.offset(entity) for entity in ENTITIES}  # a relay that starts appends at once
            async with kernel(
                kinds=(ShortLog, ShortSlow),
                rows=self.rows,
                incarnation=self.incarnation,
                seed=len(actions),
                supervision=SupervisionConfig(strikes_max=2, restarts_max=50),
            ) as run:
                while self.rest:
                    action = self.rest.pop(0)
                    if action[0] == "restart":
                        self.disturbed = True
                        break
                    await self.act(run, *action)
                else:
                    for faults in run.journal.faults.values():
                        faults.clear()
                    run.journal.delay_s = 0.0
                    await trio.sleep(120)
                    self.check(run, before)
                    with trio.fail_after(60):
                        await run.kernel.drain()
                    return

    async def act(self, run: Kernel, kind: str, *arguments: Any) -> None:
        entity = arguments[0] if arguments else ""
        match kind:
            case "note":
                self.note(run, entity, times=arguments[1])
            case "note with id":
                self.note(run, entity, text=f"{entity} id {arguments[1]}", command_id=f"id {arguments[1]}")
            case "note with deadline":
                self.note(run, entity, deadline=trio.current_time() + arguments[1])
            case "tell":
                self.tells.append((entity, text := self.text()))
                run.router.ref(entity).tell(Heard(text=text))
            case "tell on":
                self.tells.append((arguments[1], text := self.text()))
                on = heard(arguments[1], text)
                run.router.ref(entity).tell(_then(entity, lambda actor: actor.tell(arguments[1], on)))
            case "ask to tell":
                receiver, text = arguments[1], self.text()
                slot = run.send(entity, _then(entity, lambda actor: actor.tell(receiver, heard(receiver, text))))
                self.told.setdefault((entity, receiver), []).append((text, slot))
            case "wait":
                run.send("slow:c", Do(act=partial(_wait, arguments[0])))
            case "read":
                run.send(entity, Read())
            case "fail":
                run.send(entity, Fail(text="never"))
            case "passivate":
                if entity in run.awake():
                    run.cell(entity).mailbox.put_control(Passivate())
            case "fault":
                run.journal.faults[arguments[0]].append(arguments[1])
            case "slow":
                run.journal.delay_s = arguments[0]
            case "let run":
                for _ in range(arguments[0]):
                    await trio.lowlevel.checkpoint()
            case "sleep":
                await trio.sleep(arguments[0])

    def note(self, run: Kernel, entity: str, *, text: str = "", times: int = 1, **fields: Any) -> None:
        text = text or self.text()
        slot = run.send(entity, Note(text=text, times=times), **fields)
        self.notes.append((entity, text, times, fields.get("command_id"), slot))

    def check(self, run: Kernel, before: dict[str, int]) -> None:
        texts = {entity: run.texts(entity) for entity in ENTITIES}
        for entity in ENTITIES:
            events = run.journal.events(entity)
            assert [event.offset for event in events] == list(range(1, len(events) + 1))
            assert run.audience.shown.get(entity, []) == list(range(before[entity] + 1, len(events) + 1))
            actor = run.cell(entity).actor if entity in run.awake() else None
            if actor is not None:
                state: Any = actor.state
                assert state.texts == [text for text in texts[entity] if text], "memory is what the journal says"
            told = {text for pairs in self.told.values() for text, _ in pairs}
            own = [
                text
                for text in texts[entity]
                if text and " id " not in text and (entity, text) not in self.tells and text not in told
            ]
            assert own == sorted(own), "in the order in which they were sent"
            assert "never" not in texts[entity]
        for entity, text, times, command_id, slot in self.notes:
            count = texts[entity].count(text)
            assert count in (0, times), f"{text}: {count} of {times}: together or not at all, and never twice"
            answer = slot.answer
            if isinstance(answer, int):
                assert count == times
                assert texts[entity][answer - 1] == text
                assert run.journal.events(entity)[answer - 1].command_id == command_id
            elif not isinstance(answer, OutcomeUnknown) and command_id is None:
                assert count == 0, f"{text}: {answer!r}, and yet it happened"
            if not self.disturbed:
                assert isinstance(answer, (int, DeadlineExceeded)), repr(answer)
        for entity, text in self.tells:
            count = texts[entity].count(text)
            assert count <= 1
            assert count == 1 or self.disturbed, f"{text} was lost"
        for (_, receiver), pairs in self.told.items():
            for text, slot in pairs:
                count = texts[receiver].count(text)
                assert count <= 1, f"{text} happened {count} times"
                if not isinstance(slot.answer, ActorError):
                    assert count == 1, f"{text} was acknowledged by its sender and lost"
                elif not isinstance(slot.answer, OutcomeUnknown):
                    assert count == 0, f"{text}: {slot.answer!r}, and yet it happened"
            sent = [text for text, _ in pairs]
            assert (found := [text for text in texts[receiver] if text in sent]) == sorted(found), "order of a pair"
        assert run.kernel.relay.waiting == 0
        assert not any(row.outbox for row in self.rows.by_id.values()), "what is delivered is not kept"


def _then(entity: str, act: Any) -> Do:
    if entity.startswith("log"):
        return Do(act=act)

    async def later(actor: Log) -> None:
        await trio.lowlevel.checkpoint()
        act(actor)

    return Do(act=later)


async def _wait(seconds: float, actor: Log) -> None:
    await trio.sleep(seconds)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, min_size=5, max_size=60))
def test_whatever_happens_each_message_is_answered_once_and_takes_effect_at_most_once(
    actions: list[tuple[Any, ...]],
) -> None:
    """Random commands, faults, sleeps, passivations and restarts, under a random schedule."""
    with patch.object(cell, "SNAPSHOT_WORTH", 2):
        trio.run(Script().play, actions, clock=MockClock(autojump_threshold=0))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS.filter(lambda action: action[0] != "restart"), min_size=5, max_size=60))
def test_without_a_restart_no_message_is_lost_to_sleep_or_to_a_store_that_fails(
    actions: list[tuple[Any, ...]],
) -> None:
    with patch.object(cell, "SNAPSHOT_WORTH", 2):
        trio.run(Script().play, actions, clock=MockClock(autojump_threshold=0))
