from collections import deque

import trio
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.duties.lineage_watch import ASK_S, LineageWatch
from tests.supervisors.kernel.small_kernel import Note, Read, kernel

A = "log:a"


async def test_it_tells_the_first_answer_and_each_change_and_outlives_a_store_that_is_away(
    autojump_clock: MockClock,
) -> None:
    answers: deque[str | None] = deque(["", "", None, None, ".2", ".2", ".3"])
    heard: list[str] = []

    async def ask() -> str:
        await trio.lowlevel.checkpoint()
        answer = answers.popleft() if answers else ".3"
        if answer is None:
            raise StoreUnavailable("down")
        return answer

    async with trio.open_nursery() as nursery:
        await nursery.start(LineageWatch(ask, heard.append).run)
        await trio.sleep(10 * ASK_S)
        nursery.cancel_scope.cancel()
    assert heard == ["", ".2", ".3"]


async def test_an_awake_entity_whose_newest_events_are_lost_is_built_anew(autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    async with kernel(rows=rows) as run:
        await run.ask(A, Note(text="kept"))
        await run.ask(A, Note(text="lost"), command_id="again")
        row = rows.by_entity[A]
        row.head.offset -= 1
        row.replies.clear()
        assert row.events.pop().offset == 2
        rows.timeline += 1
        run.audience.shown[A].pop()  # its watchers know of it, and will be told
        run.system.lineage_changed(rows.lineage)
        assert await run.ask(A, Read()) == ["kept"]
        assert run.audience.epochs[A] == row.base_epoch + ".2"
        await run.ask(A, Note(text="lost"), command_id="again")
        assert run.texts(A) == ["kept", "lost"]


async def test_a_watched_entity_is_woken_to_tell_its_watchers(autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    async with kernel(rows=rows) as run:
        await run.ask(A, Note(text="kept"))
        rows.timeline += 1
        run.audience.epochs["log:asleep"] = "e"
        run.system.lineage_changed(rows.lineage)
        await trio.sleep(1.0)
        assert run.audience.epochs["log:asleep"].endswith(".2")
        assert run.audience.epochs[A].endswith(".2")
