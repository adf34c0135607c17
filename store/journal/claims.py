"""Group claims: waking entities claim their heads together, one statement for all that wait."""

from collections import deque

import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal import Claim, Journal
from greenroom.store.journal.records import Claimed


class Claims:
    """Where tasks that wake entities meet.

    `claim` may be called by any number of tasks; `workers` statements of up to `batch_max` heads run at once.
    """

    def __init__(
        self, journal: Journal, *, workers: int = 2, batch_max: int = 256, window: int = 64, waiting_max: int = 100_000
    ) -> None:
        self._journal = journal
        self._workers = workers
        self._batch_max = batch_max
        self._window = window  # events before the snapshot that come along, for their command ids
        self._waiting_max = waiting_max
        self._waiting: deque[_Request] = deque()
        self._idle = trio.lowlevel.ParkingLot()  # workers that have nothing to do

    async def claim(self, entity: str, *, term: int, above: int = 0) -> Claimed:
        """Raise the entity's fence, above `above`, and load it.

        Raises: NotOwner; Erased; JournalDamaged, for this entity alone; StoreUnavailable, also when too many wait.
        """
        if len(self._waiting) >= self._waiting_max:
            raise StoreUnavailable("too many entities wait to be claimed")
        request = _Request(entity, term, above)
        self._waiting.append(request)
        self._idle.unpark()
        result = await request.wait()
        if isinstance(result, Claimed):
            return result
        assert result is not None
        raise type(result)(*result.args) from result  # one error of our own each: tracebacks grow where they are raised

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:  # owner: this call; a store's fault goes to those who asked
            for _ in range(self._workers):
                nursery.start_soon(self._serve)
            task_status.started()

    async def _serve(self) -> None:
        waiting = self._waiting
        while True:
            if not waiting:
                await self._idle.park()
                continue
            first = waiting.popleft()
            if not first.wanted:
                continue
            batch = {first.entity: first}
            held: list[_Request] = []
            while waiting and len(batch) < self._batch_max:
                request = waiting.popleft()
                if not request.wanted:
                    continue
                if request.entity in batch:
                    held.append(request)
                else:
                    batch[request.entity] = request
            try:
                results = await self._journal.claim(
                    {request.entity: request.term for request in batch.values()},
                    window=self._window,
                    above={request.entity: request.above for request in batch.values() if request.above},
                )
            except StoreUnavailable as error:
                for request in batch.values():
                    request.finish(error)
            else:
                for request, result in zip(batch.values(), results, strict=True):
                    request.finish(result)
            waiting.extend(held)


class _Request:
    """One claim that a task waits for."""

    __slots__ = ("_task", "above", "entity", "result", "term", "wanted")

    def __init__(self, entity: str, term: int, above: int) -> None:
        self.above = above
        self.entity = entity
        self.term = term
        self.wanted = True
        self.result: Claim | None = None
        self._task: trio.lowlevel.Task | None = None

    async def wait(self) -> Claim | None:
        """The result, at once rather than by an event: every entity that wakes waits so."""
        if self.result is None:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abandon)
        return self.result

    def finish(self, result: Claim) -> None:
        self.result = result
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    def _abandon(self, _: object) -> trio.lowlevel.Abort:
        self.wanted = False  # to raise the fence now would only take it from whoever claims next
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
