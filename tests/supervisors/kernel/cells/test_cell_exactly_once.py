"""Messages between entities and durable timers, in cells on a journal that fails: each takes effect once, in order."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import Refused, Unavailable
from greenroom.actors.model.lifecycle import Answered, Passivate, Undelivered
from greenroom.actors.model.message import Message
from greenroom.actors.model.principal import Principal
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.delivery.relay import Relay
from greenroom.supervisors.kernel.cells import cell as cell_module
from greenroom.supervisors.supervision.strategy import RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.cells.desks import A, B, C, Desk, Send, SlowDesk, Unencodable, desks, texts
from tests.supervisors.kernel.small_kernel import ANN, Kernel, Note, Noted, Read, Slot

DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def no_moods() -> Iterator[None]:
    Desk.busy.clear()
    yield


def outboxes(rows: MemoryRows) -> int:
    return sum(len(row.outbox) for row in rows.by_id.values())


# Reports.


async def test_who_wants_to_know_is_told_the_reply(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(A, Send(to=B, texts=["1", "2"], about="yes"))
        run.send(A, Send(to=B, texts=["3"]))
        await trio.sleep(5)
        assert texts(run, B) == ["1", "2", "3"]
        assert texts(run, A) == ["about 1: did 1", "about 2: did 2"]
        assert outboxes(run.journal.rows) == 0


async def test_an_answer_comes_also_of_what_recorded_nothing(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(A, Send(to=B, texts=["1"], mood="silent", about="yes"))
        await trio.sleep(5)
        assert texts(run, A) == ["about 1: nothing recorded"]


@pytest.mark.parametrize(("mood", "name"), [("refuses", "log.never not this"), ("poison", "internal ")])
@pytest.mark.parametrize("about", ["", "yes"])
async def test_what_is_given_up_is_reported_or_a_dead_letter_and_the_next_is_handled(
    mood: str, name: str, about: str, autojump_clock: MockClock
) -> None:
    """A refusal that the sender hears of is the sender's to decide; a handler that failed is somebody's to mend."""
    async with desks() as run:
        run.send(A, Send(to=B, texts=["1"], mood=mood, about=about))
        run.send(A, Send(to=B, texts=["2"]))
        await trio.sleep(60)
        assert texts(run, B) == ["2"]
        assert texts(run, A) == ([f"about 1: {name}"] if about else [])
        letters = run.journal.rows.letters.rows  # those that were committed with events
        if mood == "refuses" and about:
            assert not letters and run.instruments.dead_letters == 0
        else:
            assert [(letter.entity, letter.message_type) for letter in letters] == [(B, "log.work")]
            assert msgspec.json.decode(letters[0].payload)["text"] == "1"
    assert outboxes(run.journal.rows) == 0


@pytest.mark.parametrize("about", ["", "yes"])
async def test_a_refusal_is_committed_once_though_its_append_is_lost(about: str, autojump_clock: MockClock) -> None:
    for fault in (Fault.LOST, Fault.LANDED_LOST, Fault.UNAVAILABLE):
        async with desks() as run:
            run.send(B, Note(text="awake"))
            await trio.sleep(1)
            run.journal.faults["append"] += [Fault.NONE, fault]  # of the send, of the refusal
            run.send(A, Send(to=B, texts=["1"], mood="refuses", about=about))
            await trio.sleep(60)
            assert texts(run, A) == (["about 1: log.never not this"] if about else [])
            assert len(run.journal.rows.letters.rows) == (0 if about else 1)


async def test_an_entity_may_tell_itself(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(A, Send(to=A, texts=["1", "2"], about="yes"))
        await trio.sleep(5)
        assert texts(run, A) == ["1", "2", "about 1: did 1", "about 2: did 2"]


async def test_a_report_to_who_handles_none_ends_there(autojump_clock: MockClock) -> None:
    """Neither Answered nor Undelivered is reported on: two entities that fail can't talk for ever."""

    class Deaf(Desk):
        def handle(self, message: Message) -> Any:
            if isinstance(message, (Answered, Undelivered)):
                raise ZeroDivisionError
            return super().handle(message)

    async with desks(Deaf) as run:
        run.send(A, Send(to=B, texts=["1"], about="yes"))
        run.send(A, Send(to=B, texts=["2"], mood="refuses", about="yes"))
        await trio.sleep(60)
        assert texts(run, A) == [] and texts(run, B) == ["1"]
        assert len(run.journal.rows.letters.rows) == 2, "both reports; of the refusal itself somebody was told"
        appends = len(run.journal.appends)
        await trio.sleep(600)
        assert len(run.journal.appends) == appends


# Order.


async def test_a_temporary_refusal_is_tried_again_and_nothing_overtakes_it(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(A, Send(to=B, texts=["1"]))
        run.send(A, Send(to=B, texts=["2"], mood="busy", about="yes"))
        run.send(A, Send(to=B, texts=["3", "4"]))
        run.send(C, Send(to=B, texts=["other"]))
        await trio.sleep(60)
        found = texts(run, B)
        assert [text for text in found if text != "other"] == ["1", "2", "3", "4"]
        assert found.index("other") < found.index("2"), "another sender does not wait"
        assert texts(run, A) == ["about 2: did 2"]
        assert run.instruments.dead_letters == 0


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.LANDED_LOST, Fault.UNAVAILABLE])
async def test_nothing_overtakes_what_was_put_off_across_a_rebuild(fault: Fault, autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(B, Note(text="awake"))
        await trio.sleep(1)
        run.journal.hold()
        run.send(A, Send(to=B, texts=["1"], mood="busy"))
        run.send(A, Send(to=B, texts=["2", "3"]))
        run.send(B, Note(text="x"))
        for _ in range(3):
            await trio.sleep(0.1)
            run.journal.faults["append"] += [fault]
            run.journal.release()
            run.journal.hold()
        run.journal.release()
        await trio.sleep(60)
        assert [text for text in texts(run, B) if text in "123"] == ["1", "2", "3"]


async def test_an_async_handler_that_is_cut_off_is_tried_again_in_order(autojump_clock: MockClock) -> None:
    async with desks(SlowDesk) as run:
        run.send(A, Send(to=B, texts=["1"], mood="hangs"))
        run.send(A, Send(to=B, texts=["2"]))
        await trio.sleep(120)
        assert texts(run, B) == ["1", "2"]


async def test_a_full_mailbox_delays_and_keeps_order(autojump_clock: MockClock) -> None:
    class Narrow(SlowDesk):
        limits = KindLimits(mailbox_messages=3, async_handler_s=5.0)

    sent = [f"{number:02}" for number in range(20)]
    async with desks(Narrow) as run:
        run.send(A, Send(to=B, texts=sent))
        await trio.sleep(600)
        assert texts(run, B) == sent


# Crashes.


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.LOST, Fault.LANDED_LOST, Fault.UNAVAILABLE])
async def test_what_is_told_happens_once_whatever_becomes_of_the_appends(
    fault: Fault, autojump_clock: MockClock
) -> None:
    for skipped in range(6):
        async with desks() as run:
            run.journal.faults["append"] += [Fault.NONE] * skipped + [fault]
            slot = run.send(A, Send(to=B, texts=["1", "2"], about="yes"), command_id="once")
            await trio.sleep(60)
            assert not isinstance(slot.answer, Exception)
            assert texts(run, B) == ["1", "2"]
            assert texts(run, A) == ["about 1: did 1", "about 2: did 2"]


@pytest.mark.parametrize("quietly", [True, False])
async def test_what_was_committed_is_delivered_by_the_next_node(quietly: bool, autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    for after_s in (0.0, 0.5, 1.5, 2.5, 3.5, 4.5):
        async with desks(rows=rows) as run:
            run.journal.delay_s = 1.0
            before = len(rows.by_entity[A].events) if A in rows.by_entity else 0
            slot = run.send(A, Send(to=B, texts=[f"{after_s}"], quietly=quietly))
            while not slot.answers:  # noqa: ASYNC110 - a virtual clock
                await trio.sleep(0.1)
            await trio.sleep(after_s)  # then the node is gone
        assert len(rows.by_entity[A].events) > before
    async with desks(rows=rows, incarnation=2) as run:
        await trio.sleep(30)
        assert texts(run, B) == ["0.0", "0.5", "1.5", "2.5", "3.5", "4.5"]
        assert outboxes(rows) == 0


async def test_nothing_is_told_before_it_is_durable_and_what_never_was_is_never_told(
    autojump_clock: MockClock,
) -> None:
    rows = MemoryRows()
    async with desks(rows=rows) as run:
        for entity in (A, B):
            run.send(entity, Note(text="awake"))
        await trio.sleep(1)
        run.journal.hold()
        run.send(A, Send(to=B, texts=["never"]))
        await trio.sleep(10)
        assert run.kernel.relay.waiting == 0  # then the node is gone
    async with desks(rows=rows, incarnation=2) as run:
        await trio.sleep(30)
        assert texts(run, B) == ["awake"]


async def test_a_receiver_that_sleeps_in_between_drops_what_it_has_seen(autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    async with desks(rows=rows) as run:
        run.journal.faults["delivered"] += [Fault.UNAVAILABLE] * 1000
        run.send(A, Send(to=B, texts=["1", "2"]))
        await trio.sleep(1)
        run.cell(B).mailbox.put_control(Passivate())
        await trio.sleep(1)
    assert outboxes(rows) == 1
    async with desks(rows=rows, incarnation=2) as run:
        run.send(A, Send(to=B, texts=["3"]))
        await trio.sleep(10)
        assert texts(run, B) == ["1", "2", "3"]


async def test_marks_that_can_not_be_read_make_it_wait(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.journal.faults["received"] += [Fault.UNAVAILABLE] * 3
        run.send(A, Send(to=B, texts=["1"]))
        await trio.sleep(60)
        assert texts(run, B) == ["1"]


async def test_a_drain_answers_everybody_and_loses_nothing(autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    async with desks(rows=rows) as run:
        run.journal.delay_s = 0.5
        for text in "123456":
            run.send(A, Send(to=B, texts=[text]))
            await trio.sleep(0.2)
        with trio.fail_after(60):
            await run.kernel.drain()
        acknowledged = sum(isinstance(slot.answer, int) for slot in run.slots)
        assert run.awake() == set()
    async with desks(rows=rows, incarnation=2) as run:
        await trio.sleep(30)
        assert texts(run, B) == list("123456")[:acknowledged]


async def test_a_system_that_is_run_again_delivers_what_it_had_under_way(autojump_clock: MockClock) -> None:
    """As its supervisor does after a crash: the committer goes on, cells and the relay begin anew."""
    run = Kernel(kinds=(Desk,))
    async with trio.open_nursery() as nursery:
        await nursery.start(run.kernel.committer.run)
        await nursery.start(run.kernel.claims.run)
        await nursery.start(run.kernel.letters.run)
        for round in range(5):
            async with trio.open_nursery() as inner:
                await inner.start(run.system.run)
                await inner.start(run.kernel.relay.run)
                run.journal.delay_s = 1.0
                run.send(A, Send(to=B, texts=[f"{round}"], about="yes"))
                await trio.sleep(2.2 + round)
                inner.cancel_scope.cancel()
        async with trio.open_nursery() as inner:
            await inner.start(run.system.run)
            await inner.start(run.kernel.relay.run)
            await trio.sleep(60)
            inner.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
    sent = [number for number, slot in enumerate(run.slots) if isinstance(slot.answer, int)]
    assert sent and texts(run, B) == sorted(texts(run, B)) and set(map(str, sent)) <= set(texts(run, B))
    assert Counter(texts(run, A)).most_common(1)[0][1] == 1 and len(texts(run, A)) == len(texts(run, B))
    assert outboxes(run.journal.rows) == 0 and run.kernel.relay.waiting == 0


async def test_what_is_told_after_the_relay_has_crashed_comes_behind_what_it_had_under_way(
    autojump_clock: MockClock,
) -> None:
    """It has forgotten what was on its way. A sender that lived on would post past that, and the receiver would drop
    what was overtaken."""
    run = Kernel(kinds=(SlowDesk,))
    spec = SupervisorSpec(
        name="node",
        strategy=Strategy.REST_FOR_ONE,
        intensity=RestartIntensity(restarts_max=1, window_s=60.0),
        children=run.kernel.core + run.kernel.duties,
    )
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:  # owner: this test
            await nursery.start(supervise, spec)
            run.send(A, Send(to=B, texts=[f"{number:02}" for number in range(6)], about="yes"))  # B needs 2 s for each
            await trio.sleep(1)
            run.journal.faults["outbox"].append(Fault.CRASHES)  # at the next sweep
            run.journal.delay_s = 0.6  # so that something is posted while the new relay reads what there was before
            told: dict[str, Slot] = {}
            for number in range(6, 40):
                with suppress(Unavailable):  # nobody is woken while the kernel starts anew
                    told[f"{number:02}"] = run.send(A, Send(to=B, texts=[f"{number:02}"], about="yes"))
                await trio.sleep(0.25)
            await trio.sleep(300)
            nursery.cancel_scope.cancel()
    assert next(line["child"] for line in logs if line["event"] == "child_restarted") == "relay"
    acknowledged = {text for text, slot in told.items() if isinstance(slot.answer, int)}
    heard = texts(run, B)
    assert len(acknowledged) > 20 and acknowledged <= set(heard)
    assert heard == sorted(set(heard)), "each once, in order"
    assert heard[:6] == [f"{number:02}" for number in range(6)]
    assert sorted(texts(run, A)) == [f"about {text}: did {text}" for text in heard]
    assert outboxes(run.journal.rows) == 0 and run.kernel.relay.waiting == 0


async def test_without_adopting_at_the_claim_the_new_would_overtake_the_old(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard's purpose: while the sweep can't read, only the claim knows of what a former life left behind."""
    for guarded in (True, False):
        rows = MemoryRows()
        async with desks(rows=rows) as run:
            monkeypatch.setattr(Relay, "post", lambda *arguments: None)  # the node dies before it can
            run.send(A, Send(to=B, texts=["old"]))
            await trio.sleep(1)
            monkeypatch.undo()
            run.kernel.relay.run = None  # type: ignore[assignment, method-assign]
        if not guarded:
            monkeypatch.setattr(Relay, "adopt", lambda *arguments: None)
        run = Kernel(kinds=(Desk,), rows=rows, incarnation=2)
        run.journal.faults["outbox"] += [Fault.UNAVAILABLE] * 3
        async with run.running():
            run.send(A, Send(to=B, texts=["new"]))
            await trio.sleep(60)
            assert texts(run, B) == (["old", "new"] if guarded else ["new"])


# What cannot be encoded.


async def test_a_handling_that_can_not_be_encoded_leaves_nothing_behind_in_its_burst(
    autojump_clock: MockClock,
) -> None:
    """Not its messages, not its timers, and not the mark that says it was handled."""
    async with desks() as run:
        before = run.send(A, Send(to=C, texts=["1"]))
        broken = run.send(A, Unencodable(to=B))
        after = run.send(A, Send(to=C, texts=["2"]))
        await trio.sleep(120)
        assert [isinstance(slot.answer, int) for slot in (before, broken, after)] == [True, False, True]
        assert texts(run, C) == ["1", "2"]
        assert run.texts(B) == [] and run.journal.rows.by_entity[A].timers == {}


async def test_a_told_message_whose_events_can_not_be_encoded_is_reported(autojump_clock: MockClock) -> None:
    class Broken(Desk):
        def behave(self, mood: str, what: str) -> None:
            if mood == "broken":
                self.record(Noted(text=object()))  # type: ignore[arg-type]

    async with desks(Broken) as run:
        run.send(A, Send(to=B, texts=["1"], about="yes"))
        run.send(A, Send(to=B, texts=["2"], mood="broken", about="yes"))
        run.send(A, Send(to=B, texts=["3"], about="yes"))
        await trio.sleep(120)
        assert texts(run, B) == ["1", "3"]
        assert texts(run, A) == ["about 1: did 1", "about 2: internal ", "about 3: did 3"]


async def test_a_refusal_that_can_not_be_encoded_is_reported_as_a_failure(autojump_clock: MockClock) -> None:
    class Odd(Desk):
        def behave(self, mood: str, what: str) -> None:
            if mood == "odd":
                raise Refused("log.never", "a lone \ud800")

    async with desks(Odd) as run:
        run.send(A, Send(to=B, texts=["1"], mood="odd", about="yes"))
        await trio.sleep(120)
        assert texts(run, A) == ["about 1: internal "]
        assert len(run.journal.rows.letters.rows) == 1


# Command ids.


async def test_the_same_id_with_another_body_is_refused_in_memory_after_a_restart_and_after_retention(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = MemoryRows()
    monkeypatch.setattr(cell_module, "SNAPSHOT_WORTH", 1)
    who = Principal(user="ann")
    for stage in ("memory", "restart", "trimmed"):
        async with desks(rows=rows, incarnation=("memory", "restart", "trimmed").index(stage) + 1) as run:
            if stage == "memory":
                assert await run.ask(A, Note(text="x", idempotency_key="k"), principal=who) == 1
            if stage == "trimmed":
                head = rows.by_entity[A].head
                row = rows.by_entity[A]
                row.snapshot, row.snapshot_offset = b'{"texts":["x"]}', head.offset
                await run.journal.trim(head.id, keep_count=0, keep_after_ms=0, ids_after_ms=0)
                assert row.kept_ids and not row.events
            assert await run.ask(A, Note(text="x", idempotency_key="k"), principal=who) == 1
            with pytest.raises(Refused) as refused:
                await run.ask(A, Note(text="y", idempotency_key="k"), principal=who)
            assert (refused.value.name, refused.value.status) == ("command_id.reused", 409)
            assert await run.ask(A, Read()) == ["x"]


async def test_a_repeat_with_another_body_while_the_first_is_not_durable_waits_for_it(
    autojump_clock: MockClock,
) -> None:
    async with desks() as run:
        run.send(A, Note(text="awake"))
        await trio.sleep(1)
        run.journal.hold()
        first = run.send(A, Note(text="x"), command_id="k", digest=1)
        other = run.send(A, Note(text="y"), command_id="k", digest=2)
        same = run.send(A, Note(text="x"), command_id="k", digest=1)
        await trio.sleep(1)
        assert first.answers == other.answers == same.answers == []
        run.journal.release()
        await trio.sleep(1)
        assert (first.answer, other.answer.name, same.answer) == (2, "command_id.reused", 2)


async def test_an_entity_that_asks_again_with_its_key_is_answered_once(autojump_clock: MockClock) -> None:
    class Asker(SlowDesk):
        async def handle(self, message: Message) -> Any:
            if isinstance(message, Send):
                first = await self.ask(message.to, Note(text="asked", idempotency_key="k"))
                return first * 100 + await self.ask(message.to, Note(text="asked", idempotency_key="k"))
            return await super().handle(message)

    async with desks(Asker) as run:
        assert await run.ask(A, Send(to=B, texts=[]), principal=ANN) == 101
        assert await run.ask(C, Send(to=B, texts=[]), principal=ANN) == 202, "another asker has keys of its own"
        assert texts(run, B) == ["asked", "asked"]
        with pytest.raises(Refused):
            await run.router.ask(B, Note(text="else", idempotency_key="k"), chain=(A,))
