"""What a supervisor is told and how it decides: who falls with whom, who comes back, and how often is too often.

All of it data and plain functions, after Erlang's supervisors; `supervise.py` does what is decided here.
Source: https://www.erlang.org/doc/system/sup_princ.html
"""

import math
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from trio import TaskStatus


class Strategy(Enum):
    """Which siblings are stopped and started again when one child has to be restarted."""

    ONE_FOR_ONE = "one_for_one"  # none: the children know nothing of each other
    ONE_FOR_ALL = "one_for_all"  # every one: none makes sense without the others
    REST_FOR_ONE = "rest_for_one"  # those started after it: they trusted it

    def falls_with(self, index: int, children: int) -> range:
        """The indices, out of `children`, that are restarted when the child at `index` is."""
        match self:
            case Strategy.ONE_FOR_ONE:
                return range(index, index + 1)
            case Strategy.ONE_FOR_ALL:
                return range(children)
            case Strategy.REST_FOR_ONE:
                return range(index, children)


class Restart(Enum):
    """Whether a child that has ended is started again."""

    PERMANENT = "permanent"  # always: it is not meant to end
    TRANSIENT = "transient"  # only if it failed: returning means its work is done
    TEMPORARY = "temporary"  # never, not even when a sibling's restart stopped it

    def wanted_after(self, *, failed: bool) -> bool:
        """Whether a child that ended by itself, by an exception or by returning, is to be started again."""
        return self is Restart.PERMANENT or (self is Restart.TRANSIENT and failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartIntensity:
    """At most `restarts_max` within any `window_s`; one more ends the supervisor, and its parent decides."""

    restarts_max: int
    window_s: float

    def __post_init__(self) -> None:
        if self.restarts_max < 0:
            raise ValueError(f"restarts_max is {self.restarts_max}, must be >= 0")
        if not 0 < self.window_s < math.inf:
            raise ValueError(f"window_s is {self.window_s}, must be > 0 and finite")


class ChildStart(Protocol):
    """Runs the child until it is cancelled or its work is done; calls `task_status.started()` once it is ready."""

    def __call__(self, *, task_status: TaskStatus[Any]) -> Awaitable[object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One child. `shutdown_s`: how long it may clean up once cancelled, before its supervisor calls it overdue."""

    name: str
    start: ChildStart
    restart: Restart = Restart.PERMANENT
    shutdown_s: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.shutdown_s < math.inf:
            raise ValueError(f"child {self.name!r}: shutdown_s is {self.shutdown_s}, must be > 0 and finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSpec:
    """Children, started top to bottom and stopped bottom to top, and what happens when one ends."""

    name: str
    strategy: Strategy
    intensity: RestartIntensity
    children: tuple[ChildSpec, ...]

    def __post_init__(self) -> None:
        names = [child.name for child in self.children]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"supervisor {self.name!r} has children of one name: {', '.join(sorted(twice))}")

    @property
    def shutdown_s(self) -> float:
        """The longest an orderly stop takes, in seconds: what a supervisor above should grant this one."""
        return sum(child.shutdown_s for child in self.children)


class RestartLedger:
    """The restarts that still count against an intensity. Memory: at most `restarts_max` times."""

    def __init__(self, intensity: RestartIntensity) -> None:
        self._intensity = intensity
        self._restarts_at: deque[float] = deque(maxlen=intensity.restarts_max)

    def allow(self, now: float) -> bool:
        """Whether one more restart at `now` keeps within the intensity; if so it is entered.

        Args: `now` in seconds of any clock, never less than in earlier calls. A restart stops counting exactly
        `window_s` after it.
        """
        if self.count(now) >= self._intensity.restarts_max:
            return False
        self._restarts_at.append(now)
        return True

    def count(self, now: float) -> int:
        """How many count at `now`."""
        while self._restarts_at and now - self._restarts_at[0] >= self._intensity.window_s:
            self._restarts_at.popleft()
        return len(self._restarts_at)
