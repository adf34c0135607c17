"""Nothing leaves before its events are durable, all of it leaves in order, and what commits fail is not lost."""

from types import SimpleNamespace
from typing import Any

import pytest
import trio
from msgspec import Struct
from trio.testing import MockClock

from greenroom.actors.life.flights import Flight
from greenroom.actors.model.errors import DeadlineExceeded, NotHere, OutcomeUnknown, Refused, Unavailable
from greenroom.actors.model.lifecycle import Inspect
from greenroom.actors.model.mailbox import Mailbox
from greenroom.config.limits import CommitConfig
from greenroom.store.journal.records import Append, Head, Outcome, StoredEvent
from greenroom.supervisors.kernel.audiences import Nobody
from greenroom.supervisors.kernel.cells.in_flight import FLIGHTS_MAX, InFlight
from greenroom.supervisors.kernel.ownership import OwnsAll
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import Do, Heard, Kernel, Log, Note, Read, kernel, settled, texts_of

A = "log:a"
B = "log:b"


class Typing(Struct):
    who: str


async def test_replies_publications_and_tells_leave_only_when_their_events_are_durable_and_in_order() -> None:
    async with kernel() as run:
        run.send(B, Read())  # awake, so that a tell would arrive at once
        await settled()
        run.journal.hold()

        def act(actor: Log) -> str:
            actor.publish(Typing("ann"))
            actor.note("x")
            actor.tell(B, Heard(text="told"))
            return "reply"

        slot = run.send(A, Do(act=act))
        read = run.send(A, Read())
        await settled()
        assert run.let_out == [[]], "only what B answered"
        assert (slot.answers, read.answers, len(run.cell(B).mailbox)) == ([], [], 0)
        run.journal.release()
        await settled()
        assert run.let_out[1:5] == ["x", b'{"who":"ann"}', "reply", ["x"]]
        assert run.texts(B) == ["told"]


async def test_what_a_handler_read_waits_for_the_events_that_it_saw() -> None:
    """A reply without events of its own would show a state that a crash can still take back."""
    async with kernel() as run:
        run.journal.hold()
        run.send(A, Note(text="x"))
        await settled()
        read = run.send(A, Read())
        view = run.send(A, Inspect())
        await settled()
        assert (read.answers, view.answers) == ([], [])
        run.journal.release()
        await settled()
        assert (read.answer, view.answer.offset) == (["x"], 1)


async def test_a_refusal_that_follows_from_an_event_waits_for_it() -> None:
    async with kernel() as run:
        run.journal.hold()
        run.send(A, Note(text="x"))
        await settled()

        def refuse(actor: Log) -> None:
            raise Refused("log.full")

        refused = run.send(A, Do(act=refuse))
        await settled()
        assert refused.answers == []
        run.journal.release()
        await settled()
        assert refused.answer.name == "log.full"


async def test_an_actor_goes_on_while_earlier_events_commit_and_a_burst_is_one_append() -> None:
    async with kernel() as run:
        run.send(A, Read())
        await settled()
        run.journal.hold()
        for text in "ab":
            run.send(A, Note(text=text))
        await settled()
        for text in "cde":
            run.send(A, Note(text=text))
            await settled()  # a burst each
        assert texts_of(run, A) == list("abcde")
        assert run.journal.appends == [[(A, 0, 2)]]
        run.journal.release()
        await settled()
        assert run.journal.appends == [[(A, 0, 2)], [(A, 2, 3)]], "and bursts that waited are one append, too"
        assert [slot.answer for slot in run.slots[1:]] == [1, 2, 3, 4, 5]


async def test_many_entities_share_a_statement() -> None:
    async with kernel() as run:
        for number in range(50):
            run.send(f"log:{number}", Read())
        await settled()
        for number in range(50):
            run.send(f"log:{number}", Note(text="x"))
        await settled()
        assert len(run.journal.appends) <= 2


@pytest.mark.bound("bursts of an entity that wait for their commit")
async def test_an_actor_pauses_when_too_many_bursts_wait_for_their_commit() -> None:
    async with kernel() as run:
        run.journal.hold()
        for number in range(FLIGHTS_MAX + 3):
            run.send(A, Note(text=str(number)))
            await settled()
        assert len(run.cell(A).mailbox) == 3
        run.journal.release()
        await settled()
        assert run.journal.offset(A) == FLIGHTS_MAX + 3


async def test_actors_pause_when_the_committer_is_congested(autojump_clock: MockClock) -> None:
    async with kernel(commit=CommitConfig(lanes=1, pending_bytes_max=1)) as run:
        run.journal.hold()
        run.send(A, Note(text="x"))
        await settled()
        run.send(B, Note(text="y"))
        await settled()
        assert len(run.cell(B).mailbox) == 1
        run.journal.release()
        await settled()
        assert run.texts(B) == ["y"]


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.LOST, Fault.LANDED_LOST, Fault.HANGS])
async def test_each_message_takes_effect_once_whatever_becomes_of_its_append(
    fault: Fault, autojump_clock: MockClock
) -> None:
    async with kernel() as run:
        run.journal.faults["append"].append(fault)
        slots = [run.send(A, Note(text=text)) for text in "ab"]
        run.router.ref(A).tell(Heard(text="c"))
        await trio.sleep(60)
        assert [slot.answer for slot in slots] == [1, 2]
        assert run.texts(A) == list("abc")
        assert run.audience.shown[A] == [1, 2, 3]


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.LOST, Fault.LANDED_LOST])
async def test_what_was_handled_behind_a_lost_append_is_handled_again_in_order(
    fault: Fault, autojump_clock: MockClock
) -> None:
    async with kernel() as run:
        run.send(A, Read())
        await settled()
        run.journal.faults["append"].append(fault)
        run.journal.hold()
        for text in "abcdef":
            run.send(A, Note(text=text))
            await settled()
        run.journal.release()
        await settled()
        for text in "gh":  # while the actor is being rebuilt
            run.send(A, Note(text=text))
        await trio.sleep(60)
        assert [slot.answer for slot in run.slots[1:]] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert run.texts(A) == list("abcdefgh")
        assert texts_of(run, A) == list("abcdefgh")


async def test_events_lost_under_a_remembered_command_id_are_not_answered_as_done(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.journal.faults["append"].append(Fault.LOST)
        slot = run.send(A, Note(text="x"), command_id="once")
        await trio.sleep(60)
        assert (slot.answer, run.texts(A)) == (1, ["x"])


async def test_what_was_answered_before_the_burst_recorded_is_not_answered_or_done_again(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:
        handled: list[int] = []

        def act(actor: Log) -> bool:
            handled.append(actor.offset)
            return False

        run.send(A, Note(text="x"))
        await settled()
        run.journal.faults["append"].append(Fault.LOST)
        no = run.send(A, Do(act=act))
        expired = run.send(A, Note(text="late"), deadline=-1.0)
        run.send(A, Note(text="y"))
        await trio.sleep(60)
        assert (no.answer, handled, type(expired.answer)) == (False, [1], DeadlineExceeded)
        assert run.texts(A) == ["x", "y"]


async def test_while_rebuilding_a_store_that_fails_again_loses_nobody(autojump_clock: MockClock) -> None:
    """Each call that sorts the flights of the life before fails once: nothing may be dropped on the way."""
    async with kernel() as run:
        run.send(A, Note(text="x"), command_id="old")
        await settled()
        life = run.cell(A).life
        assert life is not None
        life.once.ids = None
        run.journal.faults["append"] += [Fault.NONE, Fault.NONE]
        run.journal.faults["claim"] += [Fault.UNAVAILABLE, Fault.UNAVAILABLE]
        run.journal.faults["read"] += [Fault.UNAVAILABLE]
        run.journal.faults["replies"] += [Fault.UNAVAILABLE]
        again = run.send(A, Note(text="x"), command_id="old")
        new = run.send(A, Note(text="y"), command_id="new")
        await trio.sleep(60)
        assert (again.answer, new.answer, run.texts(A)) == (1, 2, ["x", "y"])
        assert not run.journal.faults["claim"] and not run.journal.faults["read"] and not run.journal.faults["replies"]


async def test_a_fenced_actor_claims_again_and_goes_on_after_what_the_other_wrote(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send(A, Note(text="x"))
        await settled()
        async with kernel(rows=run.journal.rows, incarnation=2) as other:
            other.send(A, Note(text="theirs"))
            await trio.sleep(1)
            mine = run.send(A, Note(text="mine"))
            await trio.sleep(1)
            assert (mine.answer, run.texts(A)) == (3, ["x", "theirs", "mine"])
            assert run.instruments.fenced_appends == 1


def test_who_sorts_the_flights_of_a_former_life_sees_those_that_land_meanwhile_go() -> None:
    """Or they would leave twice: when they land, and once more when the next life finds them in the journal."""
    submitted: list[Append] = []
    host: Any = SimpleNamespace(
        committer=SimpleNamespace(submit=lambda append, _: submitted.append(append)), audiences=Nobody()
    )
    life: Any = SimpleNamespace(head=Head(1, A, 7, "e", 0), entity=A, epoch="e", looks=())
    in_flight = InFlight(host, Mailbox(10, 10_000))
    in_flight.begin(life)
    for offset in (1, 2, 3):
        in_flight.launch(Flight(offset, 7, [StoredEvent(offset, 0, b"{}")], None, [], []))
    sorting = in_flight.flights
    in_flight.committed(7, 1)
    assert [flight.through for flight in sorting] == [2, 3] == [flight.through for flight in in_flight.flights]
    in_flight.committed(7, 3)
    assert not sorting and not in_flight.flights and len(submitted) == 3


def test_an_outcome_under_a_former_fence_is_no_business_of_the_present_life() -> None:
    """The offsets may be the same: those of the former life, which was fenced, are recorded anew."""
    host: Any = SimpleNamespace(committer=SimpleNamespace(submit=lambda append, _: None), audiences=Nobody())
    life: Any = SimpleNamespace(head=Head(1, A, 8, "e", 0), entity=A, epoch="e", looks=())
    in_flight = InFlight(host, Mailbox(10, 10_000))
    in_flight.begin(life)
    in_flight.launch(Flight(1, 8, [StoredEvent(1, 0, b"{}")], None, [], []))
    in_flight.committed(7, 1)
    in_flight.commit_failed(7, Outcome.FENCED)
    assert (len(in_flight.flights), life.head.offset, in_flight.failure) == (1, 0, None)
    in_flight.committed(8, 1)
    assert (len(in_flight.flights), life.head.offset) == (0, 1)


async def test_an_entity_under_a_newer_term_stops_here(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send(A, Note(text="x"))
        await settled()
        async with kernel(rows=run.journal.rows, incarnation=2, ownership=OwnsAll(term=2)) as other:
            other.send(A, Note(text="theirs"))
            await trio.sleep(1)
            mine = run.send(A, Note(text="mine"))
            await trio.sleep(1)
            assert isinstance(mine.answer, OutcomeUnknown)
            late = run.send(A, Note(text="mine"))
            await trio.sleep(1)
            assert isinstance(late.answer, NotHere), "not handled, and whoever sends again finds the owner"
            assert (run.awake(), run.texts(A)) == (set(), ["x", "theirs"])


@pytest.mark.parametrize("queued", [False, True])
async def test_the_late_outcome_of_a_former_life_does_not_disturb_the_present_one(
    queued: bool, autojump_clock: MockClock
) -> None:
    """An async handler records after the append before it failed: its own is under way when the actor is rebuilt."""
    async with kernel() as run:
        entity = "slow:a"
        run.send(entity, Note(text="x"))
        await settled()
        go = trio.Event()

        async def act(actor: Log) -> int:
            await go.wait()
            actor.note("z")
            return actor.offset

        run.journal.faults["append"] += [Fault.LOST]
        run.journal.hold()
        first = run.send(entity, Note(text="y"))
        second = run.send(entity, Do(act=act))
        await settled()
        run.journal.release()
        await settled()  # the append of "y" has failed; the handler still waits
        run.journal.hold()
        if queued:  # behind another's append
            run.send(B, Note(text="busy"))
            await settled()
        go.set()
        await trio.sleep(5)  # the append of "z" hangs, under the former fence; the actor claims, and handles both again
        third = run.send(entity, Note(text="w"))
        await trio.sleep(1)
        run.journal.release()
        await trio.sleep(60)
        assert [slot.answer for slot in (first, second, third)] == [2, 3, 4]
        assert run.texts(entity) == ["x", "y", "z", "w"]
        assert (run.journal.calls.count("claim"), run.instruments.restarts) == (3 if queued else 2, 0)


async def test_stopped_in_an_outage_everybody_gets_an_answer_in_bounded_time(autojump_clock: MockClock) -> None:
    run = Kernel()
    async with run.running():
        run.send(A, Read())
        await settled()
        run.journal.down = True
        noted = run.send(A, Note(text="x"))
        await trio.sleep(30)
        waiting = run.send(A, Read())
        asleep = run.send(B, Read())
        await trio.sleep(1)
        with trio.move_on_after(2.0):
            await run.kernel.drain()
        assert trio.current_time() == 33.0
    assert isinstance(noted.answer, OutcomeUnknown)
    assert isinstance(waiting.answer, Unavailable)
    assert isinstance(asleep.answer, Unavailable)
