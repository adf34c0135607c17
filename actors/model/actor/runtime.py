"""The runtime: what an actor needs from whoever runs it, and finds in no attribute of its own."""

from collections.abc import Awaitable, Collection, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from greenroom.actors.model.message import Ask, Message, Reply
from greenroom.actors.model.principal import Principal
from greenroom.store.jobs.jobs import QueueReads
from greenroom.store.views.asked import Asked, Filters, Looked, Row, Rows

Answer = TypeVar("Answer")


class Runtime(Protocol):
    """What an actor needs from whoever runs it: the system in production, the kit in tests."""

    def now(self) -> float:
        """Unix time in seconds."""

    def audience(self, entity: str) -> Collection[Principal]:
        """Who watches the entity's channel on this node."""

    def spend(self, rule: str, user: str, per_h: int) -> float:
        """Take one of what `user` may do `per_h` times an hour on this node by `rule`; else the seconds until then."""

    def is_durable(self, entity: str, message: Message) -> bool:
        """Has that entity a journal? Raises: BadEntity, TypeError when no kind of that name is installed, or it takes
        no such message."""

    def nudged(self, entities: Iterable[str], message: Message) -> list[str]:
        """Each once. Raises: BadEntity, TypeError, ValueError: see Actor.nudge."""

    async def ask(
        self,
        entity: str,
        message: Ask[Reply],
        *,
        chain: tuple[str, ...],
        principal: Principal,
        trace: str | None = None,
    ) -> Reply:
        """`trace`: the W3C traceparent that it is a part of."""

    def glance(self, entity: str, message: Ask[Reply]) -> Reply | None:
        """See Actor.glance."""

    async def query(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]:
        """Of the view with that class of rows."""

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters
    ) -> dict[str, list[Row]]:
        """Likewise."""

    async def query_rows(self, wanted: Mapping[type[Any], Iterable[str]]) -> Looked:
        """Likewise."""

    @property
    def jobs(self) -> QueueReads:
        """What queues read."""

    def has_ended(self, process: str) -> bool:
        """Is it certain that a process, named `host/process`, runs no more?"""


class ReadTurn(Protocol):
    """Of a message whose handler reads views: a node lets so many do that at once, see life/many/admission.py."""

    has_asked: bool  # another entity

    @property
    def has_line(self) -> bool:
        """Do commands wait for their turn?"""

    async def read(self, answer: Awaitable[Answer], *, may_refuse: bool) -> Answer:
        """Raises: Overloaded; whatever `answer` raises."""
