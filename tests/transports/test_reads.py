import inspect
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.model.errors import ActorError, Overloaded, Refused, Unavailable
from greenroom.store.errors import StoreUnavailable
from greenroom.store.postgres.pool import Pool
from greenroom.transports.reads import READS_MAX, Reads


class Told:
    """Whoever waits for a read."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self.refused: list[type[ActorError]] = []
        self.broken: list[Exception] = []

    def start(self, read: Callable[[], Awaitable[None]]) -> bool:
        return self._reads.start(read, lambda error: self.refused.append(type(error)), self.broken.append)


@pytest.mark.bound("reads of history and for resumes")
async def test_reads_run_side_by_side_within_a_bound() -> None:
    reads = Reads(waiting_max=2)
    told = Told(reads)
    go = trio.Event()
    done: list[int] = []

    async def read() -> None:
        await go.wait()
        done.append(1)

    assert not told.start(read), "not running yet"
    async with trio.open_nursery() as nursery:
        await nursery.start(reads.run)
        assert told.start(read)
        assert told.start(read)
        assert not told.start(read)
        assert told.refused == [Overloaded, Overloaded]
        go.set()
        await wait_all_tasks_blocked()
        assert told.start(read)
        await wait_all_tasks_blocked()
        assert done == [1, 1, 1]
        nursery.cancel_scope.cancel()
    assert not told.start(read)


async def test_what_became_of_a_read_is_told_and_nobody_else_suffers() -> None:
    async def run(error: Exception) -> None:
        raise error

    reads = Reads()
    told = Told(reads)
    async with trio.open_nursery() as nursery:
        await nursery.start(reads.run)
        for error in (StoreUnavailable("down"), Refused("no"), ZeroDivisionError()):
            assert told.start(lambda error=error: run(error))  # type: ignore[misc]
        await wait_all_tasks_blocked()
        assert set(told.refused) == {Unavailable, Refused}
        assert [type(one) for one in told.broken] == [ZeroDivisionError]
        nursery.cancel_scope.cancel()


def test_no_more_are_let_in_than_may_wait_for_the_database() -> None:
    """Beyond, they would be refused all the same, after they had waited."""
    assert inspect.signature(Pool).parameters["waiting_max"].default == READS_MAX
