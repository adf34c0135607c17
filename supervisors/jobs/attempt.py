"""One attempt at a job: its code is run within its time, and what it returns or raises is what became of it.

Told to stop, it is stopped as its kind allows: a coroutine is cancelled, a thread or a process hears it at its next
`work.progress`. What has not ended after its grace is given up: a process is killed, a thread is left alone, and of a
coroutine that shields itself it is said what it is, while it goes on in its slot.
"""

import math
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, Protocol, TypeVar

import msgspec
import structlog
import trio
from msgspec import Raw
from msgspec.structs import replace

from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue.flows.messages import Child as ChildKnown
from greenroom.actors.jobs.queue.flows.messages import SpawnJob
from greenroom.actors.jobs.queue.flows.wanted import Wanted, encrypted, wanted
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.jobs.texts import NULL_JSON
from greenroom.actors.jobs.waits import OnFailure
from greenroom.actors.jobs.work import Cancel, Child, Discard, Pause, Snooze, WaitsForChildren
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import HandlerStuck, InvalidCommand, Refused, is_away
from greenroom.actors.model.message import Ask, Reply, Tell
from greenroom.config.telemetry.shown import said, shown
from greenroom.config.telemetry.tracing import ENTITY, Tracing, below, traceparent_of
from greenroom.store.jobs.sealing import (
    RESULT,
    CannotOpen,
    NotOpenedHere,
    Place,
    as_step,
    is_sealed,
    opened_if_sealed,
    seal,
)
from greenroom.store.views.asked import NO_FILTERS, Asked, Filters, Row, Rows
from greenroom.supervisors.jobs.processes import JobRaised, Processes, ProcessLost
from greenroom.supervisors.jobs.reach.outside import Nowhere
from greenroom.supervisors.jobs.reach.reach import Reach
from greenroom.supervisors.jobs.results import BadResult, encode_result
from greenroom.supervisors.jobs.stepping import stepping
from greenroom.supervisors.jobs.threads import InThread, run_in_thread
from greenroom.supervisors.jobs.words import TEXT_MAX, reason_of, seconds_of, whole

log = structlog.get_logger("greenroom.jobs")
UNOPENED_S = 60.0  # that a job rests whose key its worker has not
Result = TypeVar("Result")


class Ending(Enum):
    """Why an attempt is not to go on."""

    CANCELLED = "cancelled"  # nobody wants the job, or others have it
    INTERRUPTED = "interrupted"  # whoever works on it ends: it was no attempt
    TIMED_OUT = "timed out"
    SILENT = "silent"  # it has not said anything for its `heartbeat_s`


class Means:
    """What the attempts of a node share."""

    def __init__(
        self,
        turn: Turn,
        threads: trio.CapacityLimiter,
        processes: Processes,
        *,
        reach: Reach | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """`reach`: None: jobs ask nobody."""
        self.reach: Reach = reach if reach is not None else Nowhere()
        self.tracing = tracing
        self.turn = turn
        self.threads = threads
        self.processes = processes


class Telling(Protocol):
    """Where an attempt says how far it is: its worker."""

    def note(self, attempt: "Attempt", share: float | None, note: str, line: str | None) -> None: ...

    async def steps(self, attempt: "Attempt") -> dict[str, Raw]:
        """Raises: ActorError."""

    async def children(self, attempt: "Attempt") -> list[ChildKnown]:
        """Raises: ActorError, WaitsForChildren."""

    async def spawn(self, attempt: "Attempt", group: str, jobs: list[SpawnJob]) -> list[str]:
        """Durable when it returns. Raises: ActorError."""

    async def keep_step(self, attempt: "Attempt", name: str, result: Raw) -> None:
        """Durable when it returns. Raises: ActorError."""


class Attempt:
    """What a coroutine sees as its `Work`. `token` is the one under which it was taken."""

    def __init__(
        self, job: TakenJob, token: int, installed: InstalledJob | None, means: Means, telling: Telling
    ) -> None:
        self.id = job.id
        self.attempt = job.attempt
        self.attempts_max = job.attempts_max
        self.traceparent = job.traceparent
        self.token = token
        self.ending: Ending | None = None
        self.gives_up_at = math.inf  # trio's clock: what has not ended by then is not waited for
        self.stops_at = math.inf  # monotonic: when a thread is to hear that its time is over
        self.silent_at = math.inf  # trio's clock: when it should have said something
        self.is_given_up = False
        self.is_told = False  # its worker has said what became of it
        self.on_stop: Callable[[], None] | None = None  # of one that can't be cancelled
        self._job = job.job
        self._arguments = job.arguments
        self._lineage = job.lineage
        self._installed = installed
        self._means = means
        self._telling = telling
        self._steps: dict[str, Raw] | None = None if job.steps else {}
        self._scope = trio.CancelScope()
        self._on_ending: Callable[[Ending], None] | None = None
        self._reaching: set[trio.CancelScope] = set()  # of what its thread waits for
        self._waits = 0  # for answers of ours
        self._waits_since = 0.0

    @property
    def entity(self) -> str:
        """For the watchdog's log."""
        return f"job:{self.id}"

    # As its job sees it.

    async def progress(self, share: float, note: str = "") -> None:
        self.note(share, note)
        await trio.lowlevel.checkpoint()

    def log(self, line: str) -> None:
        self._speaks()
        self._telling.note(self, None, "", line)

    async def step(self, name: str, do: Callable[[], Awaitable[Any]]) -> Any:
        known = await self.step_known(name)
        if known is None:
            known = await self.keep_step(name, await do())
        return msgspec.json.decode(known)

    async def spawn(self, group: str, jobs: Iterable[Job], *, on_failure: OnFailure = "fail") -> list[str]:
        return await self.spawn_known(group, wanted(jobs, on_failure))

    async def spawn_known(self, group: str, jobs: list[Wanted]) -> list[str]:
        """Raises: ActorError, Refused; NotOpenedHere by a queue of the release before, which takes none encrypted."""
        if self._installed is not None and self._installed.job.chunks is not None:  # it could not rest by itself
            raise Refused("work.chunk", "jobs that are worked on many by one call add no others", status=409)
        self._speaks()
        children = encrypted(jobs, self.id, self.token, group)
        try:
            with self._waiting():
                return await self._telling.spawn(self, group, children)
        except Refused as error:
            if error.name == "queue.sealed" and any(one.encrypts for one in jobs):
                raise NotOpenedHere("its children are encrypted, and its queue is of another release") from None
            raise

    async def children(self) -> list[Child]:
        return [
            Child(one.id, one.state, msgspec.json.decode(one.result), one.error) for one in await self.children_known()
        ]

    async def children_known(self) -> list[ChildKnown]:
        """Raises: ActorError, CannotOpen, WaitsForChildren."""
        with self._waiting():
            found = await self._telling.children(self)
        return [  # see `wrong_with`
            replace(one, result=Raw(opened_if_sealed(one.result, Place("", one.of or one.id, RESULT)))) for one in found
        ]

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        with self._waiting():
            return await self._means.reach.ask(entity, message)

    async def query(self, row: type[Row], key: str, **asked: Any) -> Rows[Row]:
        with self._waiting():
            return await self._means.reach.query(row, key, Asked(**asked))

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters = NO_FILTERS
    ) -> dict[str, list[Row]]:
        with self._waiting():
            return await self._means.reach.query_pages(row, keys, limit=limit, where=where)

    def nudge(self, entities: Iterable[str], message: Tell) -> None:
        self._means.reach.nudge(entities, message)

    async def within(self, reach: Callable[[], Awaitable[Result]]) -> Result:
        """For its thread, whose calls of the loop no scope is around. Raises: Cancel once the attempt is to end."""
        left_s = self.stops_at - time.monotonic()
        with trio.CancelScope(deadline=trio.current_time() + left_s) as scope:
            self._reaching.add(scope)
            try:
                if not self.is_to_stop:
                    return await reach()
            finally:
                self._reaching.discard(scope)
        self.stop(Ending.TIMED_OUT)  # if nothing else: the clock of threads may be a little behind
        raise Cancel("this attempt is to end")

    def note(self, share: float, note: str) -> None:
        """As `progress`, from a thread or a process."""
        self._speaks()
        self._telling.note(self, share, note, None)

    async def step_known(self, name: str) -> Raw | None:
        """The result of a step that is through; None: it is not. Raises: ActorError, CannotOpen."""
        if self._steps is None:
            with self._waiting():
                steps = await self._telling.steps(self)
            self._steps = {
                name: Raw(opened_if_sealed(result, Place(self._job, self.id, as_step(name))))
                for name, result in steps.items()
            }
        return self._steps.get(name)

    async def keep_step(self, name: str, result: Any) -> Raw:
        """Raises: BadResult, ActorError."""
        self._speaks()
        encoded = encode_result(result, of=f"the result of the step {name!r}")
        with self._waiting():
            await self._telling.keep_step(self, name, self._sealed(encoded, as_step(name)))
        assert self._steps is not None
        self._steps[name] = encoded
        return encoded

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """While it waits for an answer of ours, as it does where the store is away, it is not its own silence."""
        if not self._waits:
            self._waits_since = trio.current_time()
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            if not self._waits:
                self.silent_at += trio.current_time() - self._waits_since

    def _speaks(self) -> None:
        if self.silent_at != math.inf:
            self._listen()

    def _listen(self) -> None:
        """From now on it is to say something in time, where its class says so."""
        heartbeat_s = self._installed.job.limits.heartbeat_s if self._installed is not None else None
        if heartbeat_s is not None:
            self._waits_since = trio.current_time()  # where it waits: what it has waited before is made good by this
            self.silent_at = self._waits_since + heartbeat_s

    # As its worker sees it.

    def mind(self, now: float, stood_s: float = 0.0) -> None:
        """Stop it, where it should have said something by then. For `stood_s` nobody here could have heard it."""
        if self._waits:  # that is no silence, however long it stands still meanwhile
            return
        self.silent_at += stood_s
        if now > self.silent_at:
            self.stop(Ending.SILENT)

    def stop(self, ending: Ending) -> None:
        """It is to end, within its grace. The first reason counts."""
        if self.ending is not None:
            return
        self.ending = ending
        installed = self._installed
        grace_s = installed.job.limits.grace_s if installed is not None else 0.0
        self.gives_up_at = min(self.gives_up_at, trio.current_time() + grace_s)
        if self._on_ending is not None:
            self._on_ending(ending)
        elif installed is None or installed.is_async:
            self._scope.cancel()
        else:
            self._scope.deadline = min(self._scope.deadline, self.gives_up_at)
            for scope in self._reaching:
                scope.cancel()
            if self.on_stop is not None:
                self.on_stop()

    def give_up(self) -> Finished:
        """It should have ended by now. What it comes to later is nobody's concern."""
        self.is_given_up = True
        log.warning("job_abandoned", job=self.id, attempt=self.attempt, ending=(self.ending or Ending.TIMED_OUT).value)
        return self._ended()

    @property
    def is_to_stop(self) -> bool:
        """For its thread."""
        return self.ending is not None or time.monotonic() >= self.stops_at

    async def run(self) -> Finished:
        """Never raises but by cancellation from outside."""
        return await self._run_traced() if self.traceparent else await self._run()

    async def _run_traced(self) -> Finished:
        """As a span below the one of who has added it."""
        tracing = self._means.tracing
        if tracing is None:  # what the job's own code traces goes on where it came from
            with below(self.traceparent):
                return await self._run()
        about = {ENTITY: self.entity, "greenroom.job": self._job, "greenroom.attempt": str(self.attempt)}
        with tracing.child("job.run", self.traceparent, about) as span:
            self.traceparent = traceparent_of(span) or self.traceparent
            finished = await self._run()
            span.set_attribute("greenroom.outcome", outcome_of(finished))
        return finished

    async def _run(self) -> Finished:
        prepared = self.prepared()
        return prepared if isinstance(prepared, Finished) else await self._run_prepared(prepared)

    def prepared(self) -> Job | Finished:
        """The job as it is to be run; or it is not."""
        installed = self._installed
        if installed is None:
            return self._failed("this worker has no such job", final=False)
        try:
            if is_sealed(self._arguments):
                self._arguments = Raw(installed.opened(self._arguments, self.id))
        except CannotOpen as error:
            return self._not_opened(error, unbegun=True)
        try:
            return installed.decode(self._arguments, self.id)
        except InvalidCommand as error:
            return self._failed(str(error), final=True)
        except Exception as error:  # the edge: its `__post_init__` may raise anything
            return self._failed(shown(error), final=True, trace=_trace(error))

    def _not_opened(self, error: CannotOpen, *, unbegun: bool = False) -> Finished:
        """That its key is not here is no fault of the job's: it waits for a worker that has it."""
        log.warning("job_not_opened", job=self.id, kind=self._job, error=str(error))
        text = f"it can't be opened: {error}"
        self.log(text)
        if isinstance(error, NotOpenedHere):
            return Finished(self.id, self.token, retry_s=UNOPENED_S, refund=True, unbegun=unbegun)
        return self._failed(text, final=True)

    def begin(self, on_ending: Callable[[Ending], None] | None = None) -> float:
        """Now. When it is to have ended, by trio's clock. `on_ending`: of one that is run with others."""
        assert self._installed is not None
        limits = self._installed.job.limits
        ends_at = trio.current_time() + limits.timeout_s
        self.gives_up_at = min(self.gives_up_at, ends_at + limits.grace_s)
        self._on_ending = on_ending
        self._listen()
        return ends_at

    async def _run_prepared(self, job: Job) -> Finished:
        installed, scope = self._installed, self._scope
        assert installed is not None
        limits = installed.job.limits
        ends_at = self.begin()
        if installed.is_async:
            scope.deadline = min(scope.deadline, ends_at)
        else:
            self.stops_at = time.monotonic() + limits.timeout_s
            scope.deadline = min(scope.deadline, self.gives_up_at)
        try:
            with scope:
                if installed.job.chunks is not None:
                    (result,) = await stepping(self._alone(job), self._means.turn, self, job)
                elif installed.is_async:
                    result = await stepping(job.run(self), self._means.turn, self, job)
                elif installed.job.process:
                    result = await self._means.processes.call(self, installed, self._arguments, limits.timeout_s)
                else:
                    result = await run_in_thread(job.run, InThread(self), self._means.threads)
            if scope.cancelled_caught:
                if not installed.is_async and not self.is_given_up:
                    return self.give_up()
                return self._ended()
            return self.judged(result)
        except (Exception, SystemExit, BaseExceptionGroup) as error:  # the edge: a job's code may raise anything
            return self.judged(error)

    async def _alone(self, job: Job) -> list[Any]:
        """Of a class whose jobs are run by one call."""
        return outcomes(await type(job).run_many([job], [self]), 1)

    def judged(self, outcome: Any) -> Finished:
        """What it has returned, or raised. Raises: a cancellation from outside, an interrupt of the process."""
        if isinstance(outcome, BaseExceptionGroup):
            return self._judged(self._raised, _alone(outcome))
        if isinstance(outcome, (Exception, SystemExit)):
            return self._judged(self._raised, outcome)
        return self._judged(self._returned, outcome)

    def _judged(self, judge: Callable[[Any], Finished], of: Any) -> Finished:
        """Whatever is wrong with what the job came to is a failed attempt of this job, and nobody else's trouble."""
        try:
            return judge(of)
        except Exception as error:  # the edge: what a job raises or returns is code of its own
            text = f"what it came to, {type(of).__name__}, is of no use: {shown(error)}"
            return Finished(self.id, self.token, error=whole(text[:TEXT_MAX]), trace=whole(_trace(error)))

    def _returned(self, result: Any) -> Finished:
        if isinstance(result, (Snooze, Pause, Discard, Cancel, WaitsForChildren)):
            return self._raised(result)
        try:
            kept = result if type(result) is Raw else encode_result(result)
            return Finished(self.id, self.token, self._sealed(kept, RESULT), lineage=self._lineage)
        except BadResult as error:
            return self._failed(str(error), final=True)

    def _sealed(self, result: Raw, what: str) -> Raw:
        """As it is stored. Raises: NoKeys."""
        if self._installed is None or not self._installed.job.encrypts or bytes(result) == NULL_JSON:
            return result
        return Raw(seal(result, Place(self._job, self.id, what)))

    def _raised(self, error: BaseException) -> Finished:
        """Raises: what no job's code raises: a cancellation from outside, an interrupt of the process."""
        if not isinstance(error, (Exception, SystemExit)):
            raise error
        match error:
            case ProcessLost():
                if self.ending is not None:
                    return self._ended()
                return Finished(self.id, self.token, error=whole(str(error)), retry_s=self._rest_s(), lost=True)
            case _ if self.ending is not None or self.is_to_stop:
                return self._ended()
            case CannotOpen():  # one of its steps, or a child's result
                return self._not_opened(error)
            case Exception() if is_away(error):  # of views, say: it is not the job that has failed
                return Finished(self.id, self.token, retry_s=self._rest_s(), refund=True)
            case Snooze():
                return Finished(self.id, self.token, retry_s=seconds_of(error), refund=True)
            case WaitsForChildren():
                return Finished(self.id, self.token, refund=True, rests=True)
            case Pause():
                return Finished(
                    self.id,
                    self.token,
                    refund=True,
                    pause_s=seconds_of(error),
                    pause_reason=reason_of(error),
                )
            case Discard():
                return self._failed(said(error) or "discarded", final=True)
            case Cancel():
                return Finished(self.id, self.token, cancelled=True)
            case BadResult():
                return self._failed(str(error), final=True)
            case JobRaised(raised=raised):
                return self._failed(raised.text, final=False, trace=raised.trace)
            case HandlerStuck():
                return self._failed(f"it held up the event loop: {said(error)}", final=False, trace=_trace(error))
        return self._failed(shown(error), final=False, trace=_trace(error))

    def ended(self) -> Finished:
        """It was cancelled: by what it was told, or since its time was over."""
        return self._ended()

    def _ended(self) -> Finished:
        match self.ending:
            case Ending.CANCELLED:
                return Finished(self.id, self.token, cancelled=True)
            case Ending.INTERRUPTED:
                return Finished(self.id, self.token, refund=True)
        assert self._installed is not None
        limits = self._installed.job.limits
        if self.ending is Ending.SILENT:
            return self._failed(f"it said nothing for {limits.heartbeat_s:g} s", final=False)
        return self._failed(f"it took longer than {limits.timeout_s:g} s", final=False)

    def _failed(self, error: str, *, final: bool, trace: str = "") -> Finished:
        retry_s = None if final else self._rest_s()
        return Finished(
            self.id, self.token, error=whole(error[:TEXT_MAX]), trace=whole(trace), retry_s=retry_s, final=final
        )

    def _rest_s(self) -> float | None:
        return self._installed.job.retry.rest_s(self.attempt) if self._installed is not None else None


def outcomes(found: Any, count: int) -> list[Any]:
    """What `run_many` says came of each. None: nothing of all. Raises: ValueError."""
    if found is None:
        return [None] * count
    items = list(found)
    if len(items) != count:
        raise ValueError(f"run_many has returned {len(items)} outcomes for {count} jobs")
    return items


def outcome_of(finished: Finished) -> str:
    """In a word, for its span."""
    if finished.error is not None:
        return "failed"
    if finished.cancelled:
        return "cancelled"
    return "put_back" if finished.refund else "completed"


def _trace(error: BaseException) -> str:
    """The end of it: where it was raised."""
    try:
        return "".join(traceback.format_exception(error))[-TEXT_MAX:]
    except Exception:  # one that can't even be shown
        return ""


def _alone(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a nursery of the job's own raised: the one exception in it, where there is one; and a cancellation from
    outside or an interrupt, whatever else there is."""
    foreign = group.subgroup(lambda error: not isinstance(error, (Exception, SystemExit, BaseExceptionGroup)))
    if foreign is not None:
        return foreign
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, BaseExceptionGroup) and not isinstance(error, Exception):  # SystemExits among others
        return SystemExit(shown(error))
    return error
