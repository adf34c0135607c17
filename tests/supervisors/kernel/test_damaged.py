"""An entity whose journal is damaged, or refuses what it writes: it alone is kept down, or the one message to blame."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.model.errors import HandlerFailed, Unavailable
from greenroom.store.journal.records import StoredEvent
from greenroom.supervisors.kernel import system
from greenroom.supervisors.kernel.system import DAMAGED_S
from tests.supervisors.kernel.small_kernel import Do, Heard, Log, Note, Read, kernel

A, B = "log:a", "log:b"


async def test_an_entity_whose_journal_is_damaged_is_kept_down_alone_until_it_is_mended(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:
        run.journal.damaged.add(A)
        with capture_logs() as logs:
            bad = [run.send(A, Note(text="x")) for _ in range(3)]
            good = run.send(B, Note(text="y"))
            await trio.sleep(1)
        assert [type(slot.answer) for slot in bad] == [Unavailable] * 3
        assert (good.answer, run.awake(), run.instruments.restarts) == (1, {B}, 0)
        (told,) = [line for line in logs if line["event"] == "entity_damaged"]
        assert told["entity"] == A and "restore" in told["error"], "and what to do"
        with pytest.raises(Unavailable):
            run.send(A, Read())
        assert run.journal.calls.count("claim") == 1, "of both together; nobody asks the journal again and again"
        run.journal.damaged.clear()
        await trio.sleep(DAMAGED_S)
        assert await run.ask(A, Note(text="x")) == 1


def is_bad(event: StoredEvent) -> bool:
    return b"bad" in event.payload


async def test_of_a_burst_that_the_store_refuses_only_the_message_to_blame_is_given_up(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:
        run.journal.refused = is_bad
        slots = [run.send(A, Note(text=text)) for text in ("a", "b", "bad", "c", "d")]
        other = run.send(B, Note(text="y"))
        await trio.sleep(60)
        assert [slot.answer for slot in slots[:2] + slots[3:]] == [1, 2, 3, 4]
        assert isinstance(slots[2].answer, HandlerFailed)
        assert (other.answer, run.texts(A), run.instruments.dead_letters) == (1, list("abcd"), 1)
        (letter,) = await run.letters.list(limit=10)
        assert letter.entity == A and b"bad" in letter.payload
        assert run.cell(A).suspects == 0


async def test_a_timer_whose_event_the_store_refuses_ends_among_the_dead_letters(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Log,)) as run:
        run.journal.refused = is_bad

        def act(actor: Log) -> None:
            actor.set_timer("t", Heard(text="bad"), after=1)

        run.send(A, Do(act=act))
        await trio.sleep(120)
        assert run.instruments.dead_letters == 1
        assert await run.ask(A, Note(text="x")) == run.journal.offset(A)
        assert run.texts(A)[-1] == "x"


async def test_several_messages_to_blame_take_no_innocent_one_with_them(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.journal.refused = is_bad
        texts = ("a", "bad1", "bad2", "bad3", "bad4", "good")
        slots = [run.send(A, Note(text=text)) for text in texts]
        await trio.sleep(120)
        assert (slots[0].answer, slots[-1].answer, run.texts(A)) == (1, 2, ["a", "good"])
        assert [type(slot.answer) for slot in slots[1:-1]] == [HandlerFailed] * 4
        assert run.instruments.dead_letters == 4


@pytest.mark.bound("entities kept down since they failed")
async def test_of_many_that_failed_the_first_may_wake_again(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(system, "QUARANTINED_MAX", 3)
    async with kernel() as run:
        names = [f"log:{number}" for number in range(5)]
        run.journal.damaged.update(names)
        for name in names:
            with pytest.raises(Unavailable):
                await run.ask(name, Read())
            assert len(run.system._quarantine) <= 3
        run.journal.damaged.clear()
        assert await run.ask(names[0], Read()) == []
        with pytest.raises(Unavailable):
            await run.ask(names[-1], Read())
