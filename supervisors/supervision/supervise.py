"""Supervision: children started in order, restarted by strategy, stopped in reverse, whatever happens meanwhile.

How this sits on trio:

- Every child runs in a shielded cancel scope of its own. A cancellation from outside therefore reaches only the
  supervisor's loop, and the loop stops the children one by one, bottom to top, instead of all falling at once in no
  order. The price is that the supervisor must always do so: `stop` runs in a `finally`, shielded, and each wait in it
  ends with that child's `shutdown_s`.
- A child's Exception (a group of them too) is an outcome, looked at by the loop. What is no Exception
  (KeyboardInterrupt, SystemExit) is not ours to survive: it cancels the nursery, and so again the loop.
- A task can't be killed, so a child that ignores its cancellation past `shutdown_s` is reported as overdue, its
  siblings are stopped without waiting for it, and no second life of it is ever begun beside the first: the
  supervisor gives up, and returns when that child does. Whoever can't wait that long ends the process
  (`signals.py`, or on the event `child_overdue`).

A nested supervisor is just a child: `ChildSpec(name=s.name, start=partial(supervise, s), shutdown_s=s.shutdown_s)`.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog
import trio
from trio import TaskStatus

from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, Restart, RestartLedger, Strategy, SupervisorSpec

log: structlog.stdlib.BoundLogger = structlog.get_logger("greenroom.supervisor")


class SupervisorGaveUp(Exception):
    """The supervisor has stopped all its children and leaves the decision to the supervisor above."""

    def __init__(self, supervisor: str, child: str, reason: str) -> None:
        super().__init__(f"supervisor {supervisor!r}, child {child!r}: {reason}")
        self.supervisor = supervisor
        self.child = child


class RestartIntensityReached(SupervisorGaveUp):
    """A child ended once too often; `__cause__` is its last error, None if it returned though permanent."""


class ShutdownOverdue(SupervisorGaveUp):
    """A child to be restarted with its sibling did not end within `shutdown_s`, so it could not be started again."""


@dataclass(frozen=True, slots=True)
class SupervisionEvent:
    """Something that happened to a child, for counting. `restarts` is how often that child was restarted so far."""

    name: Literal["child_started", "child_restarted", "child_failed", "child_finished", "child_overdue", "gave_up"]
    supervisor: str
    child: str
    restarts: int


async def supervise(
    spec: SupervisorSpec,
    *,
    task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    backoff: Callable[[], Backoff] | None = None,
    on_event: Callable[[SupervisionEvent], None] | None = None,
) -> None:
    """Run `spec`'s children until cancelled; ready once each child, in order, has become ready or finished for good.

    A child that ends before it is ready counts like any other. A group that restarts does so in order, and a
    transient member that had finished runs again; a temporary one that was stopped does not. With ONE_FOR_ONE, children
    that have been ready before restart independently. Returns when no child is left to run.

    Args: `backoff` makes one Backoff for each child (None: restarts are immediate, only the intensity bounds them);
    it begins anew once the child was ready for the backoff's `max_s`. `on_event` is called in this trio thread; it
    must not wait, and an error in it ends the supervisor.
    Raises: RestartIntensityReached; ShutdownOverdue; Cancelled after an orderly stop of at most `spec.shutdown_s`,
    longer only for children that are overdue; a group with what a child raised that is no Exception.
    """
    supervisor = _Supervisor(spec, backoff, on_event)
    gave_up: SupervisorGaveUp | None = None
    # Owner: this call. Children's crashes end in _live and never cancel the nursery; what is no Exception does.
    async with trio.open_nursery() as nursery:
        try:
            await supervisor.keep(nursery, task_status)
        except SupervisorGaveUp as error:
            gave_up = error  # raised below: leaving the nursery by it would wrap it in a group
        finally:
            with trio.CancelScope(shield=True):  # bounded inside, child by child
                await supervisor.stop()
    if gave_up is not None:
        raise gave_up


class _Life:
    """One run of a child from start to end; also the `task_status` that it is given."""

    def __init__(self, child: "_Child") -> None:
        self.child = child
        self.scope = trio.CancelScope(shield=True)
        self.ready_at: float | None = None
        self.stop_by: float | None = None  # set when it was told to stop
        self.overdue = False
        self.ended = trio.Event()
        self.error: Exception | None = None

    def started(self, value: object = None) -> None:
        """The child is ready. `value` is dropped: it has nobody to go to."""
        if self.ready_at is not None:
            raise RuntimeError(f"child {self.child.spec.name!r} called started() twice in one life")
        self.ready_at = trio.current_time()
        self.child.has_been_ready = True
        self.child.changed()


class _Child:
    """A child across its lives. Between two of them `life` is None and `not_before` says when the next may begin."""

    def __init__(self, index: int, spec: ChildSpec, backoff: Backoff | None, changed: Callable[[], None]) -> None:
        self.index = index
        self.spec = spec
        self.backoff = backoff
        self.changed = changed
        self.life: _Life | None = None
        self.not_before = -math.inf
        self.lives = 0
        self.done = False  # ended for good
        self.has_been_ready = False

    @property
    def restarts(self) -> int:
        return max(0, self.lives - 1)

    @property
    def settled(self) -> bool:
        """Whether those after it need not wait for it any more."""
        return self.done or (self.life is not None and self.life.ready_at is not None)


class _Supervisor:
    def __init__(
        self,
        spec: SupervisorSpec,
        backoff: Callable[[], Backoff] | None,
        on_event: Callable[[SupervisionEvent], None] | None,
    ) -> None:
        self._spec = spec
        self._on_event = on_event
        self._ledger = RestartLedger(spec.intensity)
        self._changed = trio.Event()
        self._ended: deque[_Life] = deque()  # bounded by the number of children: each has one life at a time
        self._children = [
            _Child(index, child, backoff() if backoff else None, self._wake)
            for index, child in enumerate(spec.children)
        ]

    async def keep(self, nursery: trio.Nursery, task_status: TaskStatus[None]) -> None:
        """Start and restart until no child is left to run. Raises: SupervisorGaveUp, with children still running."""
        announced = False
        while True:
            while self._ended:
                await self._follow_up(self._ended.popleft())
            await trio.lowlevel.checkpoint_if_cancelled()  # begin nothing only to stop it at once
            wake_at = self._start_due(nursery)
            if not announced and all(child.settled for child in self._children):
                announced = True
                task_status.started()
            if all(child.done for child in self._children):
                return
            with trio.move_on_at(wake_at):
                await self._changed.wait()
            self._changed = trio.Event()

    async def stop(self) -> None:
        """Stop every child, bottom to top. Takes at most the sum of their `shutdown_s`; call it shielded."""
        for child in reversed(self._children):
            await self._stop_child(child)

    def _start_due(self, nursery: trio.Nursery) -> float:
        """Start each child whose turn it is; the time at which the next one's may come (inf: on a change only)."""
        now = trio.current_time()
        wake_at = math.inf
        all_settled = True  # those above
        for child in self._children:
            independent = self._spec.strategy is Strategy.ONE_FOR_ONE and child.has_been_ready
            if child.life is None and not child.done and (all_settled or independent):
                if child.not_before <= now:
                    self._start_child(nursery, child)
                else:
                    wake_at = min(wake_at, child.not_before)
            all_settled = all_settled and child.settled
        return wake_at

    def _start_child(self, nursery: trio.Nursery, child: _Child) -> None:
        life = child.life = _Life(child)
        child.lives += 1
        if child.restarts:
            log.warning("child_restarted", supervisor=self._spec.name, child=child.spec.name, restarts=child.restarts)
        nursery.start_soon(self._live, life, name=f"{self._spec.name}/{child.spec.name}")
        self._tell("child_restarted" if child.restarts else "child_started", child)

    async def _live(self, life: _Life) -> None:
        """One life of a child: its task."""
        child = life.child
        try:
            with life.scope:
                await child.spec.start(task_status=life)
        except Exception as error:
            life.error = error
        except BaseException:
            life.ended.set()  # stop() must not wait for a child that is gone; and nobody restarts this one
            raise
        life.ended.set()
        self._ended.append(life)
        self._wake()
        if life.error is not None:
            log.error(
                "child_failed",
                supervisor=self._spec.name,
                child=child.spec.name,
                ready=life.ready_at is not None,
                stopping=life.stop_by is not None,
                exc_info=life.error,
            )
            self._tell("child_failed", child)
        elif life.stop_by is None:
            log.info("child_finished", supervisor=self._spec.name, child=child.spec.name)
            self._tell("child_finished", child)

    async def _follow_up(self, life: _Life) -> None:
        """A child has ended: nothing more, or a restart of it and of those that fall with it, or give up."""
        child = life.child
        if child.life is not life:
            return  # it was stopped with a sibling, or fell while that was going on: one restart covers both
        child.life = None
        if not child.spec.restart.wanted_after(failed=life.error is not None):
            child.done = True
            return
        now = trio.current_time()
        if not self._ledger.allow(now):
            intensity = self._spec.intensity
            reason = f"would be restarted more than {intensity.restarts_max} times in {intensity.window_s:g} s"
            log.error("supervisor_gave_up", supervisor=self._spec.name, child=child.spec.name, reason=reason)
            self._tell("gave_up", child)
            raise RestartIntensityReached(self._spec.name, child.spec.name, reason) from life.error
        delay_s = 0.0
        if child.backoff is not None:
            child.backoff.reset(calm_s=0.0 if life.ready_at is None else now - life.ready_at)
            delay_s = child.backoff.next()
        group = [self._children[index] for index in self._spec.strategy.falls_with(child.index, len(self._children))]
        overdue: _Child | None = None
        for member in reversed(group):
            had_life = member.life is not None
            if not await self._stop_child(member):
                overdue = member
            if had_life and member.spec.restart is Restart.TEMPORARY:
                member.done = True
            elif member.spec.restart is not Restart.TEMPORARY:
                member.done = False
        if overdue is not None:
            reason = f"still running {overdue.spec.shutdown_s:g} s after it was cancelled, so it can't be restarted"
            log.error("supervisor_gave_up", supervisor=self._spec.name, child=overdue.spec.name, reason=reason)
            self._tell("gave_up", overdue)
            raise ShutdownOverdue(self._spec.name, overdue.spec.name, reason) from life.error
        not_before = trio.current_time() + delay_s  # from now: those who were stopped may have taken their time
        for member in group:
            member.not_before = not_before

    async def _stop_child(self, child: _Child) -> bool:
        """Cancel the child, if it runs, and wait for its end, at most `shutdown_s` from its first being told.

        Returns whether it has ended. Cancelled here, it stays told: a later call waits for what is left of its time.
        """
        life = child.life
        if life is None:
            return True
        if life.stop_by is None:
            life.stop_by = trio.current_time() + child.spec.shutdown_s
            life.scope.cancel()
        with trio.move_on_at(life.stop_by):
            await life.ended.wait()
        if life.ended.is_set():
            child.life = None
            return True
        if not life.overdue:
            life.overdue = True
            log.error(
                "child_overdue",
                supervisor=self._spec.name,
                child=child.spec.name,
                shutdown_s=child.spec.shutdown_s,
            )
            self._tell("child_overdue", child)
        return False

    def _wake(self) -> None:
        self._changed.set()

    def _tell(
        self,
        name: Literal["child_started", "child_restarted", "child_failed", "child_finished", "child_overdue", "gave_up"],
        child: _Child,
    ) -> None:
        if self._on_event is not None:
            self._on_event(SupervisionEvent(name, self._spec.name, child.spec.name, child.restarts))
