"""How sure a reader may be, of a node that was replaced and does not know it: fast, leased and verified reads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import ActorError, DeadlineExceeded, Refused
from greenroom.actors.model.lifecycle import Inspected, Stop
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import ClientConfig
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.kernel.ownership import OwnsAll
from greenroom.transports.deadlines import Deadlines
from greenroom.transports.errors import BadRequest
from greenroom.transports.hub.reading import HistoryRange, Reading, Sureness
from greenroom.transports.reads import Reads
from tests.supervisors.kernel.cells.test_lease import Leased
from tests.supervisors.kernel.small_kernel import ANN, Kernel, Note, kernel, settled

A = "log:a"
SURENESS: tuple[Sureness, ...] = ("fast", "leased", "verified")
BRIEF = "brief:a"


class Reader:
    """Reads over one node, as HTTP does; each read's answer, or what it was refused with."""

    def __init__(self, run: Kernel) -> None:
        self.deadlines, self.reads = Deadlines(), Reads()
        self.reading = Reading(
            run.kinds,
            run.router.submit,
            run.journal,
            self.deadlines,
            self.reads,
            ClientConfig(command_deadline_s=5.0),
            run.kernel.turn,
        )

    def read(self, entity: str, sureness: Sureness, who: Principal = ANN) -> list[Any]:
        found: list[Any] = []
        self.reading.inspect(entity, who, found.append, found.append, found.append, sureness=sureness)
        return found

    def audience(self, entity: str, sureness: Sureness) -> list[Any]:
        found: list[Any] = []
        self.reading.audience(entity, ANN, found.append, found.append, found.append, names_max=9, sureness=sureness)
        return found


@asynccontextmanager
async def reading(run: Kernel) -> AsyncIterator[Reader]:
    reader = Reader(run)
    async with trio.open_nursery() as nursery:
        await nursery.start(reader.deadlines.run)
        await nursery.start(reader.reads.run)
        yield reader
        nursery.cancel_scope.cancel()


def count(found: list[Any]) -> int:
    (answer,) = found
    assert isinstance(answer, Inspected), answer
    return int(answer.view.removeprefix(b'{"count":').removesuffix(b"}"))


async def test_the_owner_answers_all_three(autojump_clock: MockClock) -> None:
    async with kernel() as run, reading(run) as reader:
        await run.ask(A, Note(text="one"))
        found = {how: reader.read(A, how) for how in SURENESS}
        never = reader.read("log:never", "verified")
        hidden = reader.read(A, "verified", Principal(user="mallory"))
        await trio.sleep(1)
        assert [count(answer) for answer in found.values()] == [1, 1, 1]
        assert count(never) == 0
        assert isinstance(hidden[0], Refused)


async def test_a_node_that_was_replaced_never_answers_a_verified_read(autojump_clock: MockClock) -> None:
    """Its lease tells it nothing, as where clocks fail."""
    rows = MemoryRows()
    async with kernel(rows=rows) as zombie, reading(zombie) as reader:
        await zombie.ask(A, Note(text="one"))
        async with kernel(rows=rows, incarnation=2, ownership=OwnsAll(term=2)) as owner, reading(owner) as there:
            await owner.ask(A, Note(text="two"))
            leased, verified = reader.read(A, "leased"), reader.read(A, "verified")
            history: list[Any] = []
            reader.reading.history(
                A,
                ANN,
                HistoryRange(),
                history.append,
                history.append,
                history.append,
                gone=lambda: False,
                sureness="verified",
            )
            right = there.read(A, "verified")
            await trio.sleep(10)
            assert count(leased) == 1, "which is old"
            assert isinstance(verified[0], DeadlineExceeded) and isinstance(history[0], DeadlineExceeded)
            assert count(right) == 2


async def test_who_is_there_may_be_asked_as_surely(autojump_clock: MockClock) -> None:
    rows, leased = MemoryRows(), Leased()
    async with kernel(rows=rows, ownership=leased) as zombie, reading(zombie) as reader:
        await zombie.ask(A, Note(text="one"))
        found = {how: reader.audience(A, how) for how in SURENESS}
        await trio.sleep(1)
        assert [(one[0].clients, one[0].users) for one in found.values()] == [(1, 1)] * 3
        async with kernel(rows=rows, incarnation=2, ownership=OwnsAll(term=2)) as owner:
            await owner.ask(A, Note(text="two"))
            found = {how: reader.audience(A, how) for how in SURENESS}
            await trio.sleep(10)
            assert [one[0].clients for one in (found["fast"], found["leased"])] == [1, 1]
            assert isinstance(found["verified"][0], DeadlineExceeded)
        leased.expire()
        found = {how: reader.audience(A, how) for how in SURENESS}
        await trio.sleep(10)
        assert found["fast"][0].clients == 1
        assert isinstance(found["leased"][0], DeadlineExceeded) and isinstance(found["verified"][0], DeadlineExceeded)
        leased.renew()


async def test_a_claim_between_answer_and_check_has_it_asked_again(autojump_clock: MockClock) -> None:
    """An entity that was ended and woke has another fence, and answers by it."""
    async with kernel() as run, reading(run) as reader:
        await run.ask(A, Note(text="one"))
        checks = 0
        read = run.journal.read

        async def claimed_before(entity: str, **how: Any) -> Any:
            nonlocal checks
            checks += 1
            if checks == 1:
                run.cell(A).mailbox.put_control(Stop())
                await trio.sleep(0.1)
                assert await run.ask(A, Note(text="two")) == 2
            return await read(entity, **how)

        run.journal.read = claimed_before  # type: ignore[method-assign]
        found = reader.read(A, "verified")
        await trio.sleep(1)
        assert (count(found), checks) == (2, 2)


async def test_without_a_lease_only_fast_reads_are_answered(autojump_clock: MockClock) -> None:
    leased = Leased()
    async with kernel(ownership=leased) as run, reading(run) as reader:
        await run.ask(A, Note(text="one"))
        leased.expire()
        behind = run.send(A, Note(text="two"))
        await settled()
        found = {how: reader.read(A, how) for how in SURENESS}
        brief = reader.read(BRIEF, "fast")
        await trio.sleep(1)
        assert count(found["fast"]) == 1, "ahead of what waits"
        assert count(brief) == 0
        assert found["leased"] == found["verified"] == behind.answers == []
        again = reader.read(A, "fast")
        await settled()
        assert count(again) == 1
        await trio.sleep(10)
        assert isinstance(found["leased"][0], DeadlineExceeded) and isinstance(found["verified"][0], DeadlineExceeded)
        leased.renew()
        await settled()
        assert behind.answer == 2


async def test_a_fast_read_waits_for_what_is_not_durable_yet_all_the_same(autojump_clock: MockClock) -> None:
    leased = Leased()
    async with kernel(ownership=leased) as run, reading(run) as reader:
        await run.ask(A, Note(text="one"))
        run.journal.hold()
        noted = run.send(A, Note(text="two"))
        await settled()
        leased.expire()
        found = reader.read(A, "fast")
        await settled()
        assert found == []
        run.journal.release()
        await settled()
        assert (noted.answer, count(found)) == (2, 2)
        leased.renew()


async def test_what_has_no_journal_can_not_be_verified(autojump_clock: MockClock) -> None:
    async with kernel() as run, reading(run) as reader:
        found = reader.read(BRIEF, "verified")
        await trio.sleep(1)
        assert isinstance(found[0], BadRequest) and "brief has no journal" in str(found[0])
        assert isinstance(found[0], ActorError) and not found[0].temporary
