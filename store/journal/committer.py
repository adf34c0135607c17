"""The group committer: events of many entities become durable in one statement. Hop 6 on the way of a message.

Batch what piles up, never wait: each lane appends whatever has arrived since its last statement. An entity always goes
through the same lane, and what it submits while a statement is under way is merged into one append of the next, so
its order holds. Outcomes come back in order, from a sync stretch of the lane's task.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Protocol

import trio

from greenroom.config.limits import CommitConfig
from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.journal.journal import Append, Consequences, Journal, Outcome, StoredEvent


class Writer(Protocol):
    """Who is told what became of its events."""

    def committed(self, through: int) -> None:
        """All events up to the offset `through` are durable."""

    def commit_failed(self, fence: int, error: Exception | Outcome) -> None:
        """Some or all of what was submitted under `fence` did not land, or nobody knows. What was queued behind it
        under that fence is dropped: claim the head, and find out."""


class _Pending:
    __slots__ = ("append", "size", "writer")

    def __init__(self, append: Append, size: int, writer: Writer) -> None:
        self.append = append
        self.size = size
        self.writer = writer


class Committer:
    def __init__(
        self,
        journal: Journal,
        config: CommitConfig,
        on_batch: Callable[[int, float], None],  # events, seconds
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal = journal
        self._config = config
        self._on_batch = on_batch
        self._on_failure = on_failure
        self._lanes: list[dict[int, _Pending]] = [{} for _ in range(config.lanes)]
        self._waiting: list[trio.lowlevel.Task | None] = [None] * config.lanes
        self._congestion: list[trio.Event] = []
        self._flushing: list[trio.Event] = []
        self.pending_bytes = 0  # queued or under way
        self.pending_events = 0

    def submit(
        self,
        head_id: int,
        fence: int,
        after: int,
        events: list[StoredEvent],
        size: int,
        writer: Writer,
        consequences: Consequences | None = None,
    ) -> None:
        """Queue `events` (offsets after+1 …, `size` bytes) behind what this writer has queued already.

        Takes over list and consequences. Without events nobody learns when the consequences have landed.
        """
        index = head_id % self._config.lanes
        lane = self._lanes[index]
        pending = lane.get(head_id)
        if pending is not None and pending.append.fence != fence:
            # A failover has lost a head, and its id is another entity's now: the older claim is void.
            if fence < pending.append.fence:
                writer.commit_failed(fence, Outcome.FENCED)
                return
            self._fail(pending, Outcome.FENCED)
            pending = None
        if pending is None:
            lane[head_id] = _Pending(Append(head_id, fence, after, events, consequences), size, writer)
        else:
            assert pending.writer is writer and pending.append.after + len(pending.append.events) == after
            pending.append.events.extend(events)
            pending.size += size
            if pending.append.consequences is None:
                pending.append.consequences = consequences
            elif consequences is not None:
                pending.append.consequences.extend(consequences)
        self.pending_events += len(events)
        self.pending_bytes += size
        task = self._waiting[index]
        if task is not None:
            self._waiting[index] = None
            trio.lowlevel.reschedule(task)

    def forget(self, head_id: int, fence: int) -> None:
        """Drop what is queued for this head under this fence and not yet sent."""
        lane = self._lanes[head_id % self._config.lanes]
        pending = lane.get(head_id)
        if pending is not None and pending.append.fence == fence:  # a later activation's events are none of ours
            del lane[head_id]
            self._done(len(pending.append.events), pending.size)

    @property
    def congested(self) -> bool:
        return self.pending_bytes >= self._config.pending_bytes_max

    async def uncongested(self) -> None:
        """Return when there is room again."""
        while self.congested:
            event = trio.Event()
            self._congestion.append(event)
            await event.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve the lanes until cancelled. Cancel only after `flushed`, else what is in flight has no known outcome.

        Begins empty: what a former run left behind belonged to writers that were stopped with it.
        """
        self._lanes = [{} for _ in range(self._config.lanes)]
        self._done(self.pending_events, self.pending_bytes)
        async with trio.open_nursery() as nursery:  # owner: this call; a lane never crashes on a store's fault
            for index in range(self._config.lanes):
                nursery.start_soon(self._serve, index)
            task_status.started()

    async def flushed(self) -> None:
        """Return when nothing is queued or under way."""
        while self.pending_events:
            event = trio.Event()
            self._flushing.append(event)
            await event.wait()

    async def _serve(self, index: int) -> None:
        while True:
            if not self._lanes[index]:
                await self._park(index)
            batch = self._take(index)
            if not batch:
                continue
            started = perf_counter()
            failure: Exception | None = None
            outcomes: list[Outcome] = []
            try:
                with trio.move_on_after(self._config.append_timeout_s) as scope:
                    outcomes = await self._journal.append([pending.append for pending in batch], lane=index)
                if scope.cancelled_caught:
                    failure = OutcomeLost(f"append took longer than {self._config.append_timeout_s} s")
            except (StoreUnavailable, OutcomeLost) as error:
                failure = error
            events = sum(len(pending.append.events) for pending in batch)
            if failure is None:
                self._on_batch(events, perf_counter() - started)
                for pending, outcome in zip(batch, outcomes, strict=True):
                    append = pending.append
                    if outcome is Outcome.LANDED:
                        pending.writer.committed(append.after + len(append.events))
                    else:
                        self._fail(pending, outcome)
            else:
                self._on_failure()
                for pending in batch:
                    self._fail(pending, failure)
            self._done(events, sum(pending.size for pending in batch))

    def _fail(self, pending: _Pending, error: Exception | Outcome) -> None:
        append = pending.append
        self.forget(append.head_id, append.fence)
        pending.writer.commit_failed(append.fence, error)

    def _take(self, index: int) -> list[_Pending]:
        lane = self._lanes[index]
        batch: list[_Pending] = []
        events = size = 0
        for head_id in list(lane):  # oldest first; what stays keeps its place
            events += len(lane[head_id].append.events)
            size += lane[head_id].size
            if batch and (events > self._config.batch_events_max or size > self._config.batch_bytes_max):
                break
            batch.append(lane.pop(head_id))
        return batch

    def _done(self, events: int, size: int) -> None:
        self.pending_events -= events
        self.pending_bytes -= size
        if self._flushing and not self.pending_events:
            flushed, self._flushing = self._flushing, []
            for event in flushed:
                event.set()
        if self._congestion and not self.congested:
            waiting, self._congestion = self._congestion, []
            for event in waiting:
                event.set()

    async def _park(self, index: int) -> None:
        self._waiting[index] = trio.lowlevel.current_task()

        def abandon(_: object) -> trio.lowlevel.Abort:
            self._waiting[index] = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abandon)
