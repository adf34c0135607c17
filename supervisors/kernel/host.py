"""The host: what cells need of their node, made once and shared by all of them."""

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import trio

from greenroom.actors.life.budgets import Budgets
from greenroom.actors.life.many.admission import Admission
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.model.message import Ask, Message, Reply
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import MailboxConfig, SupervisionConfig
from greenroom.config.telemetry.held import Held
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import ENTITY, Tracing
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.jobs import QueueReads
from greenroom.store.jobs.no_jobs import NoJobs
from greenroom.store.journal.claims import Claims
from greenroom.store.journal.committer import Committer
from greenroom.store.journal.consequences.inline import Inline
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.records import Head, StoredEvent
from greenroom.store.views.asked import Asked, Filters, Looked, Row, Rows
from greenroom.supervisors.delivery.asides import Asides
from greenroom.supervisors.delivery.relay import Relay
from greenroom.supervisors.delivery.waker import Waker
from greenroom.supervisors.kernel.after import Afters
from greenroom.supervisors.kernel.audiences import Audiences
from greenroom.supervisors.kernel.letter_writer import LetterWriter
from greenroom.supervisors.kernel.ownership import Ownership
from greenroom.supervisors.kernel.router import Router
from greenroom.supervisors.kernel.snapshot_writer import SnapshotWriter
from greenroom.supervisors.supervision.backoff import Backoff, NewBackoff
from greenroom.supervisors.supervision.failures import Failures

Result = TypeVar("Result")


class Query(Protocol):
    """Whoever reads views."""

    async def rows(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]:
        """Raises: see Actor.query."""

    async def rows_of_many(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters
    ) -> dict[str, list[Row]]:
        """Raises: see Actor.query_pages."""

    async def look(self, wanted: Mapping[type[Any], Iterable[str]]) -> Looked:
        """Raises: see Actor.query_rows."""


class OwnRows(Protocol):
    """Rows of one entity in inline views, for as long as one claim of it."""

    def fold(self, after: int, events: Sequence[StoredEvent]) -> Inline | None:
        """What is to be written with the append of these events; they follow those that were given before. Never
        raises."""


class InlineViews(Protocol):
    """Views whose rows are written with appends."""

    async def own_rows(self, kind: Kind, entity: str, head: Head, *, in_doubt: bool) -> OwnRows | None:
        """Of an entity that was just claimed; None where there are none of its kind. `in_doubt`: an append of before
        may have landed of which nobody was told."""

    def left_unknown(self, kind: str) -> None:
        """An entity of this kind has ended here, with appends of which nobody knows whether they land."""


class NodeWorld:
    """The world as the lives on this node see it: see actors/life/world.py."""

    def __init__(
        self,
        *,
        kinds: Kinds,
        router: Router,
        audiences: Audiences,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        rng: random.Random,
        tracing: Tracing | None,
        query: Query | None,
        jobs: QueueReads | None,
        has_ended: Callable[[str], bool],
    ) -> None:
        self.now = now
        self.monotonic = monotonic
        self.audience = audiences.watching
        self.spend = Budgets(monotonic).spend
        self._kinds = kinds
        self._router = router
        self._rng = rng
        self._tracing = tracing
        self._query = query
        self.jobs: QueueReads = jobs if jobs is not None else NoJobs()
        self._has_ended = has_ended

    def new_epoch(self) -> str:
        return f"{self._rng.getrandbits(32):08x}"

    def is_durable(self, entity: str, message: Message) -> bool:
        """Raises: BadEntity, TypeError: see Runtime."""
        return self._kinds.is_durable(entity, message)

    def nudged(self, entities: Iterable[str], message: Message) -> list[str]:
        """Raises: BadEntity, TypeError, ValueError: see Runtime."""
        return self._kinds.nudged(entities, message)

    async def ask(
        self,
        entity: str,
        message: Ask[Reply],
        *,
        chain: tuple[str, ...],
        principal: Principal,
        trace: str | None = None,
    ) -> Reply:
        return await self._router.ask(entity, message, chain=chain, principal=principal, trace=trace)

    def glance(self, entity: str, message: Ask[Reply]) -> Reply | None:
        return self._router.glance(entity, message)

    async def query(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]:
        """Raises: TypeError where no such view is installed; see Actor.query."""
        if self._query is None:
            raise TypeError(f"{row.__qualname__} is the `Row` of no installed view")
        return await self._query.rows(row, key, asked)

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters
    ) -> dict[str, list[Row]]:
        """Raises: TypeError where no such view is installed; see Actor.query_pages."""
        if self._query is None:
            raise TypeError(f"{row.__qualname__} is the `Row` of no installed view")
        return await self._query.rows_of_many(row, keys, limit=limit, where=where)

    async def query_rows(self, wanted: Mapping[type[Any], Iterable[str]]) -> Looked:
        """Raises: TypeError where no such view is installed; see Actor.query_rows."""
        if self._query is None:
            raise TypeError("no view is installed")
        return await self._query.look(wanted)

    def has_ended(self, process: str) -> bool:
        return self._has_ended(process)

    def trace(self, name: str, parent: str, entity: str) -> AbstractContextManager[object]:
        return nullcontext() if self._tracing is None else self._tracing.child(name, parent, {ENTITY: entity})


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One node's: its parts, its limits, and what it has heard of its database."""

    world: NodeWorld
    router: Router
    ownership: Ownership
    journal: Journal
    committer: Committer
    claims: Claims
    audiences: Audiences
    held: Held
    relay: Relay
    waker: Waker
    afters: Afters
    asides: Asides
    snapshots: SnapshotWriter
    letters: LetterWriter
    failures: Failures
    instruments: Instruments
    turn: Turn
    admission: Admission  # to views
    supervision: SupervisionConfig
    mailbox: MailboxConfig
    new_backoff: NewBackoff
    note_store_unavailable: Callable[[Exception], None]  # logged at most once a second, however many entities feel it
    heard_lineage: Callable[[str], None]
    lineage: Callable[[], str | None]  # the database's, as last heard
    inline: InlineViews | None = None

    async def insist(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """What `attempt` gives once the store is there; it must change nothing where it fails. Raises: what else it
        raises."""
        backoff: Backoff | None = None
        while True:
            try:
                return await attempt()
            except StoreUnavailable as error:
                self.note_store_unavailable(error)
            backoff = backoff or self.new_backoff()
            await trio.sleep(backoff.next())
