"""Threads: where a `def run` is called. It is left alone once its attempt has ended without it, and counts until it
returns."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
import trio
from msgspec import Raw

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.waits import OnFailure
from greenroom.actors.jobs.work import Cancel, Child
from greenroom.actors.model.message import Ask, Reply, Tell
from greenroom.store.views.asked import Row, Rows

Result = TypeVar("Result")


class Attempted(Protocol):
    """The attempt that a thread is at."""

    id: str
    attempt: int
    attempts_max: int
    traceparent: str

    @property
    def is_to_stop(self) -> bool: ...

    def log(self, line: str) -> None: ...

    def note(self, share: float, note: str) -> None: ...

    async def step_known(self, name: str) -> Raw | None: ...

    async def keep_step(self, name: str, result: Any) -> Raw: ...

    async def spawn(self, group: str, jobs: Iterable[Job], *, on_failure: OnFailure = "fail") -> list[str]: ...

    async def children(self) -> list[Child]: ...

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply: ...

    async def query(self, row: type[Row], key: str, **asked: Any) -> Rows[Row]: ...

    async def query_pages(self, row: type[Row], keys: Iterable[str], *, limit: int) -> dict[str, list[Row]]: ...

    def nudge(self, entities: Iterable[str], message: Tell) -> None: ...

    async def within(self, reach: Callable[[], Awaitable[Result]]) -> Result: ...


class InThread:
    """What the job sees as its `ThreadWork`."""

    def __init__(self, attempt: Attempted) -> None:
        self.id = attempt.id
        self.attempt = attempt.attempt
        self.attempts_max = attempt.attempts_max
        self.traceparent = attempt.traceparent
        self._attempt = attempt

    def progress(self, share: float, note: str = "") -> None:
        """Raises: Cancel."""
        if self._attempt.is_to_stop:
            raise Cancel("this attempt is to end")
        self._tell(self._attempt.note, share, note)

    def log(self, line: str) -> None:
        self._tell(self._attempt.log, line)

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """Raises: Cancel."""
        if self._attempt.is_to_stop:
            raise Cancel("this attempt is to end")
        known = trio.from_thread.run(self._attempt.step_known, name)
        if known is None:
            known = trio.from_thread.run(self._attempt.keep_step, name, do())
        return msgspec.json.decode(known)

    def spawn(self, group: str, jobs: Iterable[Job], *, on_failure: OnFailure = "fail") -> list[str]:
        """Raises: Cancel."""
        if self._attempt.is_to_stop:
            raise Cancel("this attempt is to end")
        given = list(jobs)  # here: it is the job's own code that makes them
        return trio.from_thread.run(partial(self._attempt.spawn, group, given, on_failure=on_failure))

    def children(self) -> list[Child]:
        return trio.from_thread.run(self._attempt.children)

    def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        return trio.from_thread.run(self._attempt.within, partial(self._attempt.ask, entity, message))

    def query(self, row: type[Row], key: str, **asked: Any) -> Rows[Row]:
        return trio.from_thread.run(self._attempt.within, partial(self._attempt.query, row, key, **asked))

    def query_pages(self, row: type[Row], keys: Iterable[str], **asked: Any) -> dict[str, list[Row]]:
        keys = list(keys)  # here: it is the job's own code that makes them
        return trio.from_thread.run(self._attempt.within, partial(self._attempt.query_pages, row, keys, **asked))

    def nudge(self, entities: Iterable[str], message: Tell) -> None:
        """Raises: Cancel."""
        if self._attempt.is_to_stop:
            raise Cancel("this attempt is to end")
        trio.from_thread.run_sync(self._attempt.nudge, list(entities), message)

    def _tell(self, do: Callable[..., None], *arguments: Any) -> None:
        """Wait for the loop to take it: one that says much is not to outrun it."""
        with suppress(trio.RunFinishedError):
            trio.from_thread.run_sync(do, *arguments)


async def run_in_thread(run: Callable[[Any], Any], work: InThread, threads: trio.CapacityLimiter) -> Any:
    """What it returns or raises. Cancelled, the thread is left alone."""
    return await trio.to_thread.run_sync(run, work, abandon_on_cancel=True, limiter=threads)
