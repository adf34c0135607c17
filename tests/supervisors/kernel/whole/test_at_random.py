"""Whatever happens to entities, their store and their node: each message is answered once, and none is lost."""

from functools import partial
from typing import Any
from unittest.mock import patch

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, OutcomeUnknown
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import SupervisionConfig
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.kernel.cells import cell
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import Do, Fail, Heard, Kernel, Log, Note, Read, Slot, Slow, heard, kernel

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
