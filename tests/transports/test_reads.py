import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.model.errors import Overloaded
from greenroom.transports.reads import Background


async def test_reads_run_side_by_side_within_a_bound_and_keep_their_crashes_to_themselves() -> None:
    background = Background(waiting_max=2)
    go = trio.Event()
    done: list[int] = []

    async def work() -> None:
        await go.wait()
        done.append(1)

    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(Overloaded):
        background.spawn(work)  # not running yet
    async with trio.open_nursery() as nursery:
        await nursery.start(background.run)
        background.spawn(broken)
        background.spawn(work)
        with pytest.raises(Overloaded):
            background.spawn(work)
        await wait_all_tasks_blocked()
        background.spawn(work)
        go.set()
        await wait_all_tasks_blocked()
        assert done == [1, 1]
        nursery.cancel_scope.cancel()
    with pytest.raises(Overloaded):
        background.spawn(work)
