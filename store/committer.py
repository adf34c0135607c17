"""The group committer: events of many entities become durable in one statement. Hop 6 on the way of a message.

Batch what piles up, never wait: each lane appends whatever has arrived since its last statement. An entity always goes
through the same lane, and what it submits while a statement is under way is merged into one append of the next, so
its order holds. Outcomes come back in order, from a sync stretch of the lane's task.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Protocol

import trio

from config.limits import CommitConfig
from store.errors import OutcomeLost, StoreUnavailable
from store.journal import Append, Journal, Outcome, StoredEvent


class Writer(Protocol):
    """Who is told what became of its events."""

    def committed(self, through: int) -> None:
        """All events up to the offset `through` are durable."""

    def commit_failed(self, error: Exception | Outcome) -> None:
        """Some or all of what is in flight did not land, or nobody knows. Nothing more will be appended for this
        writer until it submits anew, after a claim."""


class _Pending:
    __slots__ = ("append", "size", "writer")

    def __init__(self, append: Append, size: int, writer: Writer) -> None:
        self.append = append
        self.size = size
        self.writer = writer


class Committer:
    def __init__(self, journal: Journal, config: CommitConfig, on_batch: Callable[[int, float], None]) -> None:
        self._journal = journal
        self._config = config
        self._on_batch = on_batch
        self._lanes: list[dict[int, _Pending]] = [{} for _ in range(config.lanes)]
        self._waiting: list[trio.lowlevel.Task | None] = [None] * config.lanes
        self._sent: list[dict[int, _Pending]] = [{} for _ in range(config.lanes)]
        self._congestion: list[trio.Event] = []
        self._flushing: list[trio.Event] = []
        self.pending_bytes = 0  # queued or under way
        self.pending_events = 0

    def submit(
        self, head_id: int, fence: int, after: int, events: list[StoredEvent], size: int, writer: Writer
    ) -> None:
        """Queue `events` (offsets after+1 …, `size` bytes) behind what this writer has queued already.

        Takes over the list.
        """
        index = head_id % self._config.lanes
        lane = self._lanes[index]
        pending = lane.get(head_id)
        if pending is None:
            lane[head_id] = _Pending(Append(head_id, fence, after, events), size, writer)
        else:
            assert pending.writer is writer and pending.append.after + len(pending.append.events) == after
            pending.append.events.extend(events)
            pending.size += size
        self.pending_events += len(events)
        self.pending_bytes += size
        task = self._waiting[index]
        if task is not None:
            self._waiting[index] = None
            trio.lowlevel.reschedule(task)

    def forget(self, head_id: int) -> None:
        """Drop what is queued for this head and not yet sent."""
        pending = self._lanes[head_id % self._config.lanes].pop(head_id, None)
        if pending is not None:
            self._done(len(pending.append.events), pending.size)

    def in_flight(self, head_id: int) -> bool:
        """Is a statement under way that holds events of this head?"""
        return head_id in self._sent[head_id % self._config.lanes]

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
        """Serve the lanes until cancelled. Cancel only after `flushed`, else what is in flight has no known outcome."""
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
            sent = self._sent[index]
            sent.update((pending.append.head_id, pending) for pending in batch)
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
            sent.clear()
            events = sum(len(pending.append.events) for pending in batch)
            if failure is None:
                self._on_batch(events, perf_counter() - started)
                for pending, outcome in zip(batch, outcomes, strict=True):
                    append = pending.append
                    if outcome is Outcome.LANDED:
                        pending.writer.committed(append.after + len(append.events))
                    else:
                        self.forget(append.head_id)
                        pending.writer.commit_failed(outcome)
            else:
                for pending in batch:
                    self.forget(pending.append.head_id)
                    pending.writer.commit_failed(failure)
            self._done(events, sum(pending.size for pending in batch))

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
