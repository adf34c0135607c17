"""The queue as a whole: it is paused and limited, says why a job waits, and remembers which tokens are spent.

`Queue` is one of it that has the jobs. Its other parts, `SingleJobs` and `Flowing`, are given it.
"""

from typing import Any, ClassVar

from msgspec import Struct

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.limits import NO_LIMITS, QueueLimits
from greenroom.actors.jobs.queue.control import (
    Explained,
    Limit,
    Limited,
    Metered,
    Pause,
    Paused,
    QueueState,
    Resume,
    Resumed,
    Why,
    limited,
)
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.order import ALL
from greenroom.actors.jobs.queue.why import moment, why, why_blocked
from greenroom.actors.model.actor import Actor, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event
from greenroom.actors.model.principal import STAFF_ROLES

METERED_AHEAD_MS = 1_000  # of tokens that count as spent where a life is lost, so that they are written down seldom
Knows = frozenset[str] | None  # classes of jobs; None: all


class SteeredQueue(Actor[QueueState]):
    """What is said of all its jobs together."""

    installed: ClassVar[Jobs] = Jobs()  # what is known here of jobs' classes: see `queue_of`

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self.desk = Desk(self.key)

    @property
    def _limits(self) -> QueueLimits:
        """What staff has set, and of the rest what the code declares."""
        return (self.installed.limits_of(self.key) or NO_LIMITS).under(self.state.limits)

    def _steer(self, message: Pause | Resume | Limit | Why, waiting: list[Knows]) -> Any:
        """`waiting`: what those know that wait for jobs."""
        self.require_staff("steer queues")
        now_ms = self.now_ms
        by = self.principal.user
        match message:
            case Pause():
                if message.until_ms is not None and message.until_ms <= now_ms:
                    raise Refused("queue.until_is_past", "`until_ms` is in the past", status=422)
                self.record(Paused(until_ms=message.until_ms, reason=message.reason, by=by))
            case Resume():
                if self.state.paused:
                    self.record(Resumed(by=by))
            case Limit():
                limits = limited(self.state.limits, message)
                if limits != self.state.limits:
                    self.record(Limited(limits=limits, by=by))
                    self.desk.order.limit(self._limits, now_ms)
            case Why():
                return Explained(self._why(message.id, now_ms, waiting))
        return Done()

    def _why(self, job_id: str, now_ms: int, waiting: list[Knows]) -> str:
        job = self.desk.jobs.get(job_id)
        if job is None:
            raise Refused("queue.no_such_job", "it has ended, or there is none", status=404)
        if job.token:
            return "it is under way"
        if open_ := self.desk.blocked.waits_for(job_id):
            return why_blocked(open_)
        if self.state.is_paused(now_ms):
            until_ms = self.state.paused_until_ms
            until = f" until {moment(until_ms)}" if until_ms is not None else ""
            return f"the queue is paused{until}{': ' if self.state.paused_reason else ''}{self.state.paused_reason}"
        self.desk.order.advance(now_ms)
        return why(self.desk.order, job, now_ms, waiting)

    def _rest(self) -> None:
        """A job has asked that the queue be paused. It never shortens a pause, and staff's own it leaves alone."""
        until_ms, reason = self.desk.pause_until_ms, self.desk.pause_reason
        self.desk.pause_until_ms, self.desk.pause_reason = 0, ""
        now_ms = self.now_ms
        present_ms = self.state.paused_until_ms
        if self.state.is_paused(now_ms) and (present_ms is None or present_ms >= until_ms):
            return
        if until_ms > now_ms:
            self.record(Paused(until_ms=until_ms, reason=reason))

    def _meter(self) -> None:
        """A life that comes after this one is not to spend the same tokens again; so it is told ahead."""
        order, state = self.desk.order, self.state
        spent_ms, keys_spent_ms = order.spent_until_ms, order.keys_spent_until_ms
        is_news = spent_ms > state.spent_until_ms or keys_spent_ms > state.keys_spent_until_ms
        if is_news or order.told.news or order.keys_told.news:
            self.record(
                Metered(
                    spent_until_ms=_ahead(spent_ms, state.spent_until_ms),
                    keys_spent_until_ms=_ahead(keys_spent_ms, state.keys_spent_until_ms),
                    window=order.told.take().get(ALL),
                    key_windows=order.keys_told.take(),
                    at_ms=self.now_ms,
                )
            )

    @property
    def now_ms(self) -> int:
        return int(self.runtime.now() * 1000)

    def apply(self, event: Any) -> None:
        self.state.apply(event)

    @classmethod
    def publication(cls, event: Event) -> Struct | None:
        return None if isinstance(event, Metered) else event

    # Who may.

    def may_watch(self) -> None:
        """Its view names workers and keys, which are customers. Raises: Refused."""
        self.require_staff("watch queues")

    def require_staff(self, what: str) -> None:
        """Raises: Refused."""
        if not self.principal.system and STAFF_ROLES.isdisjoint(self.principal.roles):
            raise Refused("forbidden", f"only the roles service and admin {what}", status=403)

    def require_worker(self) -> None:
        """Raises: Refused."""
        self.require_staff("work on jobs")


def _ahead(spent_ms: int, known_ms: int) -> int:
    return known_ms if spent_ms <= known_ms else spent_ms + METERED_AHEAD_MS
