"""The group committer: events of many entities become durable in one statement. Hop 6 on the way of a message.

Batch what piles up, never wait: each lane appends whatever has arrived since its last statement. An entity always goes
through the same lane, and what it submits while a statement is under way is merged into one append of the next, so
its order holds. Outcomes come back in order, from the lane's task.
"""

from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from time import perf_counter
from typing import Protocol

import trio

from greenroom.config.limits import CommitConfig
from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.records import Append, Outcome

TOLD = 64  # writers that hear of their outcomes between two chances for others: each lets go what waited for it
LEAST = 0.95  # the share of `append_timeout_s` that every append has, at least


class Writer(Protocol):
    """Who is told what became of what it submitted. One of a former fence is no business of the present activation."""

    @property
    def entity(self) -> str:
        """Whose events it submits."""

    def committed(self, fence: int, through: int) -> None:
        """All that was submitted under `fence` up to the offset `through` is durable."""

    def commit_failed(self, fence: int, error: Exception | Outcome) -> None:
        """Some or all of what was submitted under `fence` did not land, or nobody knows. What was queued behind it
        under that fence is dropped: claim the head, and find out."""


class _Submitted:
    """One `submit`: lands as a whole or not at all."""

    __slots__ = ("append", "count", "size")

    def __init__(self, append: Append) -> None:
        self.append = append
        self.count, self.size = append.cost()


class _Queue:
    """What one head has submitted under one fence, and is not sent yet."""

    __slots__ = ("fence", "submitted", "writer")

    def __init__(self, fence: int, writer: Writer) -> None:
        self.fence = fence
        self.writer = writer
        self.submitted: deque[_Submitted] = deque()


class _Sent:
    """One head's share of the batch under way."""

    __slots__ = ("append", "count", "size", "writer")

    def __init__(self, submitted: list[_Submitted], writer: Writer, count: int, size: int) -> None:
        """`count` and `size` are theirs together."""
        self.append = submitted[0].append if len(submitted) == 1 else _joined([one.append for one in submitted])
        self.count = count
        self.size = size
        self.writer = writer


def _joined(appends: list[Append]) -> Append:
    """One append of all, in order. Theirs stay as they are: the writers know them by what is in them."""
    first = appends[0]
    consequences: Consequences | None = None
    for one in appends:
        if one.consequences is not None:
            consequences = consequences or Consequences()
            consequences.extend(one.consequences)
    events = [event for one in appends for event in one.events]
    return Append(first.head_id, first.fence, first.after, events, consequences, first.shard)


class Committer:
    """The lanes, and what waits in them. `run` serves them; a store's fault goes to the writers, never to the node.

    Everything counts in events (each row of a consequence is one more, and an append is one at least) and in bytes of
    all its columns. A batch is bounded by both. What one head has waiting is cut where it does not fit into a batch,
    but only between two `submit`s: each lands as a whole, and one that is too large for any batch goes alone.
    """

    def __init__(
        self,
        journal: Journal,
        config: CommitConfig,
        on_batch: Callable[[int, float], None],  # events, seconds
        on_failure: Callable[[], None] = lambda: None,
        landed: Callable[[Sequence[tuple[str, Append]]], None] | None = None,
    ) -> None:
        """`landed` is told of each batch which entities' appends have landed, and of those that were found to; it never
        waits, and never raises."""
        self._journal = journal
        self._config = config
        self._on_batch = on_batch
        self._on_failure = on_failure
        self._landed = landed
        self._lanes: list[dict[int, _Queue]] = [{} for _ in range(config.lanes)]
        self._waiting: list[trio.lowlevel.Task | None] = [None] * config.lanes
        self._congestion: list[trio.Event] = []
        self._flushing: list[trio.Event] = []
        self.pending_bytes = 0  # queued or under way
        self.pending_count = 0

    def submit(self, append: Append, writer: Writer) -> None:
        """Queue `append` behind what this writer has queued already. Nobody may change it, or what is in it, any more.

        Without events its landing is told as one more `committed` through the same offset.
        """
        index = append.head_id % self._config.lanes
        lane = self._lanes[index]
        queue = lane.get(append.head_id)
        if queue is not None and queue.fence != append.fence:
            # A failover has lost a head, and its id is another entity's now: the older claim is void.
            if append.fence < queue.fence:
                writer.commit_failed(append.fence, Outcome.FENCED)
                return
            self._fail(append.head_id, queue.fence, queue.writer, Outcome.FENCED)
            queue = None
        if queue is None:
            queue = lane[append.head_id] = _Queue(append.fence, writer)
        else:
            assert queue.writer is writer and queue.submitted[-1].append.through == append.after
        submitted = _Submitted(append)
        queue.submitted.append(submitted)
        self.pending_count += submitted.count
        self.pending_bytes += submitted.size
        task = self._waiting[index]
        if task is not None:
            self._waiting[index] = None
            trio.lowlevel.reschedule(task)

    def forget(self, head_id: int, fence: int) -> None:
        """Drop what is queued for this head under this fence and not yet sent."""
        lane = self._lanes[head_id % self._config.lanes]
        queue = lane.get(head_id)
        if queue is not None and queue.fence == fence:  # a later activation's events are none of ours
            del lane[head_id]
            self._done(sum(one.count for one in queue.submitted), sum(one.size for one in queue.submitted))

    def found(self, entity: str, appends: Sequence[Append]) -> None:
        """These have landed, as was read: of their outcome nobody heard."""
        if self._landed is not None:
            self._landed([(entity, append) for append in appends])

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
        self._done(self.pending_count, self.pending_bytes)
        async with trio.open_nursery() as nursery:  # owner: this call; a lane never crashes on a store's fault
            for index in range(self._config.lanes):
                nursery.start_soon(self._serve, index)
            task_status.started()

    async def flushed(self) -> None:
        """Return when nothing is queued or under way."""
        while self.pending_count:
            event = trio.Event()
            self._flushing.append(event)
            await event.wait()

    async def _serve(self, index: int) -> None:
        timeout_s = self._config.append_timeout_s
        while True:
            batch: list[_Sent] = []
            # One scope for many appends: to enter and to arm one for each costs as much as a fifth of a statement's
            # whole way. It is armed anew for an append that would have less than LEAST of its time.
            with trio.CancelScope() as scope:
                until = inf
                while True:
                    if not self._lanes[index]:
                        await self._park(index)
                    now = trio.current_time()
                    if now >= until:
                        break  # it has ended, and the next append is not to end with it
                    batch = self._take(index)
                    if not batch:
                        continue
                    if not LEAST * timeout_s <= until - now <= timeout_s:
                        until = scope.deadline = now + timeout_s
                    await self._append(index, batch)
                    batch = []
            if batch:
                self._failed(batch, OutcomeLost(f"append took longer than {timeout_s} s"))

    async def _append(self, index: int, batch: list[_Sent]) -> None:
        """Append, and tell the writers. Cancelled midway nothing has been told."""
        started = perf_counter()
        try:
            outcomes = await self._journal.append([sent.append for sent in batch], lane=index)
        except (StoreUnavailable, OutcomeLost) as error:
            self._failed(batch, error)
            return
        self._on_batch(sum(len(sent.append.events) for sent in batch), perf_counter() - started)
        landed = Outcome.LANDED  # named once: in Python 3.11 to name an Enum's member is a search
        for number, (sent, outcome) in enumerate(zip(batch, outcomes, strict=True), 1):
            append = sent.append
            if outcome is landed:
                sent.writer.committed(append.fence, append.through)
            else:
                self._fail(append.head_id, append.fence, sent.writer, outcome)
            if not number % TOLD:
                await trio.lowlevel.cancel_shielded_checkpoint()  # whoever is told, all are
        if self._landed is not None:
            self._landed(
                [
                    (sent.writer.entity, sent.append)
                    for sent, outcome in zip(batch, outcomes, strict=True)
                    if outcome is landed
                ]
            )
        self._done(sum(sent.count for sent in batch), sum(sent.size for sent in batch))

    def _failed(self, batch: list[_Sent], failure: Exception) -> None:
        self._on_failure()
        for sent in batch:
            self._fail(sent.append.head_id, sent.append.fence, sent.writer, failure)
        self._done(sum(sent.count for sent in batch), sum(sent.size for sent in batch))

    def _fail(self, head_id: int, fence: int, writer: Writer, error: Exception | Outcome) -> None:
        self.forget(head_id, fence)
        writer.commit_failed(fence, error)

    def _take(self, index: int) -> list[_Sent]:
        """The next batch: heads in turn, the oldest first, of each as much as fits; what is left of one goes last."""
        lane = self._lanes[index]
        batch: list[_Sent] = []
        events_left, bytes_left = self._config.batch_events_max, self._config.batch_bytes_max
        for head_id in list(lane):
            queue = lane[head_id]
            submitted = queue.submitted
            first = submitted[0]
            if batch and (first.count > events_left or first.size > bytes_left):
                break
            share = [submitted.popleft()]
            count, size = first.count, first.size
            while submitted:
                following = submitted[0]
                if count + following.count > events_left or size + following.size > bytes_left:
                    break
                count += following.count
                size += following.size
                share.append(submitted.popleft())
            batch.append(_Sent(share, queue.writer, count, size))
            events_left -= count
            bytes_left -= size
            del lane[head_id]
            if submitted:
                lane[head_id] = queue
                break  # it is full
        return batch

    def _done(self, count: int, size: int) -> None:
        self.pending_count -= count
        self.pending_bytes -= size
        if self._flushing and not self.pending_count:
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
