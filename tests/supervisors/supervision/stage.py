"""Children that enter, act and leave as a test tells them, under a supervisor."""

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import trio
from trio import TaskStatus

from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, Restart, RestartIntensity, Strategy, SupervisorSpec

ONE_FOR_ONE, ONE_FOR_ALL, REST_FOR_ONE = Strategy
ALWAYS = RestartIntensity(restarts_max=1_000, window_s=1.0)


class Boom(RuntimeError):
    pass


@dataclass
class Stage:
    """Scripted children and what happened to them: `+a` began, `a!` became ready, `-a` ended, with the time of each."""

    acts: list[tuple[str, float]] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)

    def note(self, act: str) -> None:
        self.acts.append((act, trio.current_time() - self.began_at))

    def __post_init__(self) -> None:
        self.began_at = trio.current_time()

    @property
    def order(self) -> str:
        return " ".join(act for act, _ in self.acts)

    def times(self, act: str) -> list[float]:
        return [round(at, 6) for name, at in self.acts if name == act]

    @contextmanager
    def life(self, name: str) -> Iterator[None]:
        assert name not in self.alive, f"two lives of {name} at once"
        self.alive.add(name)
        self.note(f"+{name}")
        try:
            yield
        finally:
            self.alive.discard(name)
            self.note(f"-{name}")

    def child(
        self,
        name: str,
        *,
        ready_s: float = 0.0,
        runs_s: tuple[float, ...] = (),  # how long each life lasts; those after the last one for ever
        returns: bool = False,  # instead of raising Boom
        stop_s: float = 0.0,  # shielded clean-up
        unready: int = 0,  # so many lives end before they are ready
        restart: Restart = Restart.PERMANENT,
        shutdown_s: float = 1.0,
    ) -> ChildSpec:
        lives = 0

        async def start(*, task_status: TaskStatus[Any]) -> None:
            nonlocal lives
            lives += 1
            with self.life(name):
                try:
                    await trio.sleep(ready_s)
                    if lives > unready:
                        task_status.started()
                        self.note(f"{name}!")
                    await trio.sleep(runs_s[lives - 1] if lives <= len(runs_s) else math.inf)
                    if not returns:
                        raise Boom(name)
                finally:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(stop_s)

        return ChildSpec(name=name, start=start, restart=restart, shutdown_s=shutdown_s)


def top(
    *children: ChildSpec, strategy: Strategy = ONE_FOR_ONE, intensity: RestartIntensity = ALWAYS, name: str = "top"
) -> SupervisorSpec:
    return SupervisorSpec(name=name, strategy=strategy, intensity=intensity, children=children)


def steady(wait_s: float) -> Callable[[], Backoff]:
    return lambda: Backoff(random=Random(1), first_s=wait_s, max_s=wait_s, jitter=0.0)


async def for_s(seconds: float, supervision: Awaitable[None]) -> None:
    """Run it, and cancel it from outside after `seconds`."""
    with trio.move_on_after(seconds) as scope:
        await supervision
    assert scope.cancelled_caught
