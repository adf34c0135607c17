"""What a queue does about flows: adds them whole, tells workers of children, and speaks with queues that have others of
the same flow. Who waits for whom, and what follows, is decided by its desk."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from greenroom.actors.jobs.options import NO_OPTIONS, decode_options
from greenroom.actors.jobs.queue.desk.settling import settle, write_down
from greenroom.actors.jobs.queue.flows import blocked
from greenroom.actors.jobs.queue.flows.asking import Asking, Outcomes, Then
from greenroom.actors.jobs.queue.flows.blocked import UNKNOWN, judge
from greenroom.actors.jobs.queue.flows.checked import in_order
from greenroom.actors.jobs.queue.flows.messages import (
    AddFlow,
    AskOthers,
    CancelChildren,
    Child,
    Children,
    ChildrenKnown,
    FlowAdded,
    FlowJob,
    OthersEnded,
    RetryChildren,
    Spawn,
    Spawned,
    WaitedFor,
)
from greenroom.actors.jobs.queue.flows.spawning import (
    as_children,
    awaited,
    remembers_none,
    require_room,
    spawned_before,
)
from greenroom.actors.jobs.queue.flows.unwanted import Unwanted
from greenroom.actors.jobs.queue.flows.wanted import stored_as
from greenroom.actors.jobs.queue.found import ReadOutcomes
from greenroom.actors.jobs.queue.messages import NULL, Found, NewJob
from greenroom.actors.jobs.queue.single.single_jobs import SingleJobs
from greenroom.actors.jobs.queue.steered import SteeredQueue
from greenroom.actors.jobs.queue.waiting import TAKE_BYTES
from greenroom.actors.jobs.waits import WaitFor, Waits, waits_for
from greenroom.actors.model.effects import Told
from greenroom.actors.model.entity import BadEntity, split_entity
from greenroom.actors.model.errors import Overloaded, Refused
from greenroom.actors.model.message import Later, Message
from greenroom.store.jobs.jobs import JobOutcome, Question
from greenroom.store.journal.consequences.jobs import FREED, JobRow, Jobs

READ_AT_ONCE = 64  # children whose results one statement reads
STORED_MS = (
    600_000  # between two times that it is written down what is settled: flows that are done sooner cost nothing
)
STORED_AT_ONCE = 100  # jobs of which it is, with one message
AGAIN_S = 1.0  # until children that are not found yet are looked for again

NewRows = Callable[[Sequence[NewJob]], list[JobRow]]


class Flowing:
    """That part of a queue, whose jobs are on its desk."""

    def __init__(
        self, queue: SteeredQueue, single: SingleJobs, new_rows: NewRows, close: Callable[[Jobs], None]
    ) -> None:
        """`new_rows`: jobs as they are stored; raises Refused. `close`: see SingleJobs."""
        self._queue = queue
        self._single = single
        self._close = close
        self._desk = queue.desk
        self._new_rows = new_rows
        self._asking = Asking(random.getrandbits(62))
        self._stored_ms: int | None = None  # when it was last written down what is settled

    def handle(self, message: Message, writes: Jobs) -> Any:
        """The answer; a coroutine where something is to be read for it."""
        match message:
            case AddFlow():
                self._queue.require_staff("add jobs")
                return self._add(message, writes)
            case Children():
                self._queue.require_worker()
                return self._children(message)
            case Spawn():
                self._queue.require_worker()
                return self._spawn(message, writes)
            case AskOthers():
                self._desk.others.stored(message.stored)
                self._ask_others()
            case WaitedFor():
                self._desk.bells.hang(message.ids, message.queue, self._queue.now_ms)
            case OthersEnded():
                for job_id, state in message.states.items():
                    if state == "completed":
                        self._desk.others.ended(job_id)
                        self._desk.blocked.ended(job_id, state)
                    else:  # that may have been before it was tried again, or another may be done in its place
                        self._desk.others.look_again(job_id)
                if any(state != "completed" for state in message.states.values()):
                    self._ask_others()
            case ReadOutcomes():
                self._read(message)
            case RetryChildren():
                return self._single.retry_children(message)
            case CancelChildren():
                return self._cancel(message, writes)
        return None

    # What follows from a message, whatever it was.

    def settle(self, writes: Jobs) -> None:
        """Before jobs are handed out: some may go now."""
        if self._desk.blocked.due or self._desk.unwanted:
            settle(self._desk, self._queue.now_ms, writes)

    def speak(self) -> None:
        """What others are to hear of it."""
        if self._desk.bells.rung:
            for queue, states in self._desk.bells.take().items():
                self._hint(queue, OthersEnded(states=states))
        if self._desk.unwanted:
            left, hurried = self._desk.unwanted.take()
            for worker in hurried:
                self._single.end_beat(worker)
            self._tell_unwanted(left)

    def next_ms(self, now_ms: int) -> int | None:
        """When there is something to do, if nothing else happens; None: nothing."""
        return now_ms if self._desk.blocked.due else self._desk.others.next_ms()

    def tick(self, writes: Jobs) -> None:
        """Time has passed."""
        now_ms = self._queue.now_ms
        if self._stored_ms is None:
            self._stored_ms = now_ms
        elif now_ms - self._stored_ms >= STORED_MS:
            unstored = list(islice(self._desk.blocked.unstored(), STORED_AT_ONCE))
            for job_id in unstored:
                write_down(self._desk, job_id, writes)
            if len(unstored) < STORED_AT_ONCE:
                self._stored_ms = now_ms
        self._desk.bells.lapse(now_ms)
        if self._desk.others.is_due(now_ms):
            self._queue.after(0.0, AskOthers(stored=self._desk.others.new()))

    def _hint(self, queue: str, message: Message) -> None:
        """It may be lost."""
        self._queue.effects.name(Told(f"{self._queue.kind}:{queue}", message, durable=False))

    def _tell_unwanted(self, children: list[Unwanted]) -> None:
        told: dict[tuple[str, str], list[str]] = {}
        for child in children:
            queue = child.queue or self._desk.others.queue_of(child.id) or self._queue.key
            told.setdefault((queue, child.reason), []).append(child.id)
        for (queue, reason), ids in told.items():
            self._queue.tell(f"{self._queue.kind}:{queue}", CancelChildren(ids=ids, reason=reason))

    # Adding.

    def _add(self, message: AddFlow, writes: Jobs) -> Any:
        """Raises: Refused."""
        jobs = in_order(message.jobs)
        for queue in {job.queue for job in jobs if job.queue}:
            _require_queue(f"{self._queue.kind}:{queue}")
        named = {job.name for job in jobs}
        rows = self._rows(jobs)
        asked = sorted({one.id for job in jobs for one in (*job.after, *job.children)} - named - self._desk.jobs.keys())
        queues = {row.queue for row in rows} - {self._queue.key}
        if asked or queues:
            return self._add_read(asked, sorted(queues), jobs, rows)
        return self._write(jobs, rows, {}, writes)

    def _rows(self, jobs: list[FlowJob]) -> list[JobRow]:
        """Raises: Refused."""
        rows = self._new_rows(jobs)
        ids = {job.name: row.id for job, row in zip(jobs, rows, strict=True)}
        queues = {}
        for job, row in zip(jobs, rows, strict=True):
            row.queue = queues[row.id] = job.queue or self._queue.key
            waits = waits_for(_by_id(job.after, ids), _by_id(job.children, ids), job.when, queues)
            if waits is not None:
                row.options = _with(row.options, waits)
        return rows

    async def _add_read(
        self, asked: list[str], queues: list[str], jobs: list[FlowJob], rows: list[JobRow]
    ) -> FlowAdded:
        """Some wait for jobs that are not here, or are for other queues. The queue does nothing else meanwhile: what
        is answered later is not remembered, so whoever asks again would have the flow twice.

        Raises: Refused, Unavailable.
        """
        outcomes = await self._single.outcomes(asked) if asked else {}
        await self._require_queues(queues)
        unknown = [one for one in asked if one not in outcomes and one not in self._desk.jobs]
        if unknown:
            raise Refused("queue.unknown_job", f"{unknown[0]}: there is none, or none any more", status=422)
        writes = Jobs()
        added = self._write(jobs, rows, {one: known for one, known in outcomes.items() if known.has_ended}, writes)
        self._close(writes)
        return added

    def _write(self, jobs: list[FlowJob], rows: list[JobRow], outcomes: Outcomes, writes: Jobs) -> FlowAdded:
        """`outcomes`: of jobs that have ended, and are not here."""
        now_ms, key, desk = self._queue.now_ms, self._queue.key, self._desk
        ended = {one: known.state for one, known in outcomes.items() if not known.instead and one not in desk.jobs}
        for row in rows:
            if row.queue != key:
                writes.started.append(row)
                desk.others.wait(row.id, row.queue)
                continue
            options = decode_options(row.options)
            waits = options.waits if options is not None else None
            if waits is not None and _goes(waits, ended):
                row.let_go = FREED
            writes.added.append(row)
            desk.add_to_flow(row, now_ms)
        for job_id, known in outcomes.items():
            if job_id not in desk.jobs:  # else it was tried again just now
                desk.others.ended(job_id)
                self._heard(job_id, known)
        for queue in sorted({row.queue for row in writes.started}):
            self._hint(queue, Found())
        return FlowAdded({job.name: row.id for job, row in zip(jobs, rows, strict=True)})

    async def _require_queues(self, queues: list[str]) -> None:
        """Raises: Refused, Unavailable."""
        if queues and (forgotten := await self._single.forgotten(queues)):
            text = f"{forgotten[0]}: it was forgotten, and takes no more jobs"
            raise Refused("queue.no_such_queue", text, status=422)

    # Adding what a job of ours that is worked on wants to have done.

    def _spawn(self, message: Spawn, writes: Jobs) -> Any:
        """Raises: Refused."""
        self._require_held(message)
        parent = self._desk.jobs[message.id].options
        before = spawned_before(parent, message.group)
        if before is not None:
            return Spawned(before)
        if not message.jobs:
            if remembers_none(parent):
                self._desk.spawned_none(self._desk.jobs[message.id], message.group, writes)
            return Spawned([])
        require_room(parent, message)
        rows = self._new_rows(message.jobs)
        stored_as(message, rows)
        as_children(rows, message.jobs, self._queue.key, parent)
        queues = sorted({row.queue for row in rows} - {self._queue.key})
        for queue in queues:
            _require_queue(f"{self._queue.kind}:{queue}")
        return self._spawn_read(message, rows, queues) if queues else self._write_spawned(message, rows, writes)

    async def _spawn_read(self, message: Spawn, rows: list[JobRow], queues: list[str]) -> Spawned:
        """Some are for other queues. The queue does nothing else meanwhile. Raises: Refused, Unavailable."""
        await self._require_queues(queues)
        writes = Jobs()
        spawned = self._write_spawned(message, rows, writes)
        self._close(writes)
        return spawned

    def _write_spawned(self, message: Spawn, rows: list[JobRow], writes: Jobs) -> Spawned:
        key, now_ms = self._queue.key, self._queue.now_ms
        self._desk.spawned(self._desk.jobs[message.id], awaited(rows, message), writes)
        for row in rows:
            if row.queue == key:
                writes.added.append(row)
                self._desk.add_to_flow(row, now_ms)
            else:
                writes.started.append(row)
        for queue in sorted({row.queue for row in writes.started}):
            self._hint(queue, Found())
        return Spawned([row.id for row in rows])

    # What is read.

    def _require_held(self, message: Children | Spawn) -> None:
        """Raises: Refused."""
        if not self._desk.hands.holds(message.worker, message.id, message.token):
            raise Refused("queue.lease_over", "this worker does not have that job any more", status=409)

    def _ask(self, then: Then, ids: Sequence[str], *, results: bool = False, waits: bool = True) -> Later:
        """The queue goes on meanwhile. `waits`: does anybody wait for the answer? Raises: Overloaded."""
        later = Later()
        number = self._asking.ask(then, self._queue.now_ms, later if waits else None)
        question = Question(number, tuple(ids), results)
        if not self._queue.runtime.jobs.ask(self._queue.key, question):
            self._asking.answered(number)
            raise Overloaded("too much is asked of the store")
        return later

    def _read(self, message: ReadOutcomes) -> None:
        asked = self._asking.answered(message.number)
        if asked is None:
            return
        reply = asked.then(message.outcomes)
        if asked.later is not None:
            self._queue.answer(asked.later, reply)

    def _children(self, message: Children) -> ChildrenKnown | Later:
        """Raises: Refused, Overloaded."""
        self._require_held(message)
        options = self._desk.jobs[message.id].options
        waits = options.waits if options is not None else None
        if waits is not None and waits.ahead(was_free=True):
            return ChildrenKnown([], rests=True)
        ids = [one.id for one in waits.jobs] if waits is not None else []
        asked = ids[message.first : message.first + READ_AT_ONCE]
        if not asked:
            return ChildrenKnown([])
        return self._ask(partial(_known, asked, message.first, len(ids)), asked, results=True)

    def _ask_others(self) -> None:
        desk = self._desk
        ids = desk.others.take(self._queue.now_ms, desk.jobs, desk.blocked.awaited)
        if ids:
            with suppress(Overloaded):  # asked again in time
                self._ask(partial(self._answered, ids), ids, waits=False)
        else:
            desk.others.answered((), {})

    def _answered(self, ids: list[str], outcomes: Outcomes) -> None:
        desk = self._desk
        ended, under_way = desk.others.answered(ids, outcomes)
        for job_id, known in ended.items():
            if job_id not in desk.jobs:
                self._heard(job_id, known)
        for queue, some in under_way.items():
            if queue != self._queue.key:
                self._hint(queue, WaitedFor(queue=self._queue.key, ids=some))

    def _heard(self, job_id: str, known: JobOutcome | None) -> None:
        """Of one that is not here: it has ended. None: nobody knows."""
        desk = self._desk
        if known is None:
            desk.blocked.ended(job_id, UNKNOWN)
        elif known.instead:
            desk.replaced(job_id, known.instead, known.queue)
        else:
            desk.blocked.ended(job_id, known.state, known.ended_ms)
            if job_id in desk.blocked.awaited:
                desk.others.rest(job_id, known.queue, self._queue.now_ms)

    # Children that nobody wants any more.

    def _cancel(self, message: CancelChildren, writes: Jobs) -> Any:
        if any(one not in self._desk.jobs for one in message.ids):
            return self._cancel_some(message)
        self._disown(message.ids, message.reason)
        return None

    async def _cancel_some(self, message: CancelChildren) -> None:
        """Some have ended, are in another queue, or were added by others and are not found yet. Raises: Unavailable."""
        missing = [one for one in message.ids if one not in self._desk.jobs]
        outcomes = await self._single.outcomes(missing)
        left = [(one, found.queue) for one, found in outcomes.items() if not found.has_ended]
        key, reason = self._queue.key, message.reason
        if again := [one for one, queue in left if queue == key]:  # first: there may be too many timers
            self._queue.set_timer(f"cancel:{again[0]}", CancelChildren(ids=again, reason=reason), after=AGAIN_S)
            self._hint(key, Found())
        self._tell_unwanted([Unwanted(one, queue, reason) for one, queue in left if queue != key])
        self._disown((one for one in message.ids if one in self._desk.jobs), reason)
        self._close(Jobs())

    def _disown(self, ids: Iterable[str], reason: str) -> None:
        for one in ids:
            self._desk.unwanted.add(Unwanted(one, self._queue.key, reason))


def _known(asked: list[str], first: int, count: int, outcomes: Outcomes) -> ChildrenKnown:
    """Of `count` jobs that one has waited for these, from `first`: as many as an answer holds."""
    children: list[Child] = []
    size = 0
    for one in asked:
        if size >= TAKE_BYTES:
            break
        found = outcomes.get(one) or JobOutcome("", UNKNOWN)
        result = Raw(found.result) if found.result else NULL
        children.append(Child(one, found.state, result, found.error, found.of))
        size += len(found.result or b"") + len(found.error)
    next_ = first + len(children)
    return ChildrenKnown(children, next_ if next_ < count else None)


def _by_id(awaited: list[WaitFor], ids: dict[str, str]) -> list[WaitFor]:
    return [replace(one, id=ids.get(one.id, one.id)) for one in awaited]


def _with(options: bytes | None, waits: Waits) -> bytes | None:
    return replace(decode_options(options) or NO_OPTIONS, waits=waits).encode()


def _require_queue(entity: str) -> None:
    """Raises: Refused."""
    try:
        split_entity(entity)
    except BadEntity as error:
        raise Refused("queue.no_such_queue", f"{entity!r:.300}: {error}", status=422) from None


def _goes(waits: Waits, ended: Mapping[str, str]) -> bool:
    """Does a job that waits so not have to wait at all?"""
    left = len(waits.jobs)
    for one in waits.jobs:
        if one.id in ended:
            left -= 1
            decided = judge(waits.when, one.on_failure, one.id, ended[one.id], left)
            if decided is not None:
                return decided.then is blocked.Then.GO
    return False
