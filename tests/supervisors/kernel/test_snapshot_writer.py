"""The snapshot writer: within a bound in number and in bytes, and with retention behind it."""

import math
from typing import Any, ClassVar

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.model.actor import KindLimits
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.store.journal.records import Head
from greenroom.supervisors.kernel import snapshot_writer
from greenroom.supervisors.kernel.snapshot_writer import SnapshotWriter
from tests.supervisors.kernel.small_kernel import Brief, Log, Note, Slow, kernel

LIMITS = KindLimits()


class Lasting(Log):
    limits: ClassVar[KindLimits] = KindLimits(
        history_events=10, history_s=math.inf, command_ids_s=math.inf, snapshot_every=5
    )


async def test_what_is_kept_for_ever_ends_nothing(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Lasting, Brief, Slow)) as run:
        await run.ask("log:a", Note(text="x", times=60))
        await trio.sleep(1)
        row = run.journal.rows.by_entity["log:a"]
        assert row.snapshot_offset == 60
        assert row.head.trimmed == 50


@pytest.mark.parametrize(("size", "kept"), [(10, 5), (1_000, 3), (100_000, 1)])
@pytest.mark.bound("snapshots waiting to be written")
def test_those_that_wait_are_bounded_in_number_and_in_bytes(
    size: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_writer, "WAITING_MAX", 5)
    monkeypatch.setattr(snapshot_writer, "WAITING_BYTES_MAX", 3_000)

    async def main() -> int:
        journal = MemoryJournal()
        saved = 0

        async def save(*args: object, **named: object) -> bool:
            nonlocal saved
            saved += 1
            await trio.lowlevel.checkpoint()
            return True

        journal.save_snapshot = save  # type: ignore[method-assign]
        writer = SnapshotWriter(journal, now=lambda: 0.0, note_store_unavailable=lambda error: None)
        with capture_logs() as logs:
            for offset in range(8):
                writer.write_later(Head(1, "log:a", 1, "e", 8), offset, b"x" * size, LIMITS)
            assert [line["event"] for line in logs] == ["snapshot_skipped"]
        with trio.move_on_after(0.1):
            await writer.run()
        was, saved = saved, 0
        for offset in range(8):
            writer.write_later(Head(1, "log:a", 1, "e", 8), offset, b"x" * size, LIMITS)
        with trio.move_on_after(0.1):
            await writer.run()
        assert saved == was, "what was written makes room"
        return was

    assert trio.run(main) == kept


A = "log:a"


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


@pytest.mark.bound("snapshots written at once for entities that end")
async def test_of_many_entities_that_end_together_few_write_at_once(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    at_once: list[int] = [0]

    async def save(*args: object, **named: object) -> bool:
        at_once.append(at_once[-1] + 1)
        await trio.sleep(0.01)
        at_once.append(at_once[-1] - 1)
        return True

    journal.save_snapshot = save  # type: ignore[method-assign]
    writer = SnapshotWriter(journal, now=lambda: 0.0, note_store_unavailable=lambda error: None)
    async with trio.open_nursery() as nursery:
        for number in range(3 * snapshot_writer.AT_ONCE):
            nursery.start_soon(writer.write, Head(number, f"log:{number}", 1, "e", 8), 8, b"x")
    assert max(at_once) == snapshot_writer.AT_ONCE
    assert len(at_once) == 1 + 6 * snapshot_writer.AT_ONCE, "and none was left out"
