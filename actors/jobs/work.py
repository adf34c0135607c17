"""Work: what a job under way knows of itself, and can say. And what it raises, or returns, to say how it goes on."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, Unpack

from msgspec import Struct

from greenroom.actors.jobs.waits import OnFailure
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Ask, Reply, Tell
from greenroom.store.views.asked import NO_FILTERS, AskedBy, Filters, Row, Rows


class NoEntities(Refused):
    """The job is worked on where entities, or views, are out of reach; the text says why."""

    def __init__(self, why: str) -> None:
        super().__init__("work.no_entities", why, status=503)


class Child(Struct, frozen=True):
    """A job that another has waited for."""

    id: str
    state: str  # completed, failed, cancelled; unfinished; unknown: it was forgotten since it ended
    result: Any = None
    error: str = ""


class Work(Protocol):
    """One attempt at one job, as an `async def run` sees it."""

    id: str
    attempt: int  # 1 is the first
    attempts_max: int
    traceparent: str  # W3C, of this attempt, for whom it calls; "" where its trace is not recorded

    async def progress(self, share: float, note: str = "") -> None:
        """Show whoever watches the job that so much of it is done, 0 to 1. A cancel is delivered here too."""

    def log(self, line: str) -> None:
        """Show them a line. The newest hundred are kept while the job is worked on."""

    async def step(self, name: str, do: Callable[[], Awaitable[Any]]) -> Any:
        """What `do` returned, as JSON brings it back: called once for the job, however many attempts there are.

        The result is durable before this returns; a worker that ends before that has the next attempt call it again.
        Raises: whatever `do` raises, and then nothing is kept; ActorError where the queue can't be asked.
        """

    async def spawn(self, group: str, jobs: Iterable[Any], *, on_failure: OnFailure = "fail") -> list[str]:
        """Add these jobs as children of this one; their ids. Once for each `group`, however many attempts there are:
        of one that was added before, it is said what that was, whatever is given now.

        They are durable when this returns. This job is not completed before they have ended: see `children`. Where one
        has failed, `on_failure` says what that means for this one, as `WaitFor` does.
        Raises: Refused; ActorError where the queue can't be asked.
        """

    async def children(self) -> list[Child]:
        """The jobs that this one has waited for, with their results, in the order in which it was given them, or has
        added them.

        Where some were added since it was called last, this ends the attempt: without a worker the job waits until
        they have ended, and is begun again; steps that are through are not done again, and this returns.
        Raises: WaitsForChildren then, which is to reach the worker; ActorError where the queue can't be asked.
        """

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        """Ask an entity, as Greenroom itself. It ends with the attempt; asked again by the next one, it is another
        message, unless it has an `idempotency_key`.

        In a process of `greenroom work` only what clients may send, in the name of its token.
        Raises: as the entity refuses; Overloaded, Unavailable, HandlerFailed, OutcomeUnknown; NoEntities.
        """

    async def query(self, row: type[Row], key: str, **asked: Unpack[AskedBy]) -> Rows[Row]:
        """Rows of one page of a view: see Actor.query. Raises: likewise; NoEntities."""

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters = NO_FILTERS
    ) -> dict[str, list[Row]]:
        """The first rows of each of many pages: see Actor.query_pages. Raises: likewise; NoEntities."""

    def nudge(self, entities: Iterable[str], message: Tell) -> None:
        """Tell those of them that are awake, on whichever node, what they may as well not hear: at most 1,000 at once.

        It wakes nobody and keeps nobody awake, takes no room that commands need, and is lost where it finds none or a
        node is out of reach. The message is one of their kind's `internal`.
        Raises: BadEntity; TypeError, ValueError for a mistake in code; NoEntities.
        """


class ThreadWork(Protocol):
    """The same, as a `def run` sees it."""

    id: str
    attempt: int
    attempts_max: int
    traceparent: str

    def progress(self, share: float, note: str = "") -> None:
        """As Work.progress. Raises: Cancel once the attempt is to end; one that does not call it is abandoned."""

    def log(self, line: str) -> None:
        """As Work.log."""

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """As Work.step."""

    def spawn(self, group: str, jobs: Iterable[Any], *, on_failure: OnFailure = "fail") -> list[str]:
        """As Work.spawn."""

    def children(self) -> list[Child]:
        """As Work.children."""

    def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        """As Work.ask. Raises: Cancel, here and below, once the attempt is to end."""

    def query(self, row: type[Row], key: str, **asked: Unpack[AskedBy]) -> Rows[Row]:
        """As Work.query."""

    def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters = NO_FILTERS
    ) -> dict[str, list[Row]]:
        """As Work.query_pages."""

    def nudge(self, entities: Iterable[str], message: Tell) -> None:
        """As Work.nudge."""


class Snooze(Exception):
    """Not now: the job waits for so long, and this was no attempt."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"for {seconds} s")
        self.seconds = seconds


class WaitsForChildren(Exception):
    """Raised by `children`: this attempt is over, and the next one begins when they have ended."""


class Discard(Exception):
    """It can't succeed: failed, however many attempts are left."""


class Cancel(Exception):
    """Nobody wants it any more."""


class Pause(Exception):
    """Nobody is to go on for so long, as after a 429: the whole queue pauses, and this was no attempt."""

    def __init__(self, seconds: float, reason: str = "") -> None:
        super().__init__(f"the queue pauses for {seconds} s")
        self.seconds = seconds
        self.reason = reason
