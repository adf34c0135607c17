"""The desk: what operators may ask of a node. Kept by the node (supervisors/admin/desk.py); all answers are JSON."""

from collections.abc import Sequence
from typing import Protocol

from greenroom.transports.admin.job_desk import JobDesk

# What is watched: the cluster, the tables of views, or an entity by its name, which has a colon.
CLUSTER, VIEWS = "", "views"


class Onlooker(Protocol):
    """Whoever is told how things are, again and again."""

    @property
    def sees_all(self) -> bool:
        """Content too: see roles.py."""

    def show(self, event: str, body: bytes) -> None:
        """`body` is JSON on one line. Only the newest of an `event` matters. Must not raise."""


class Live(Protocol):
    """Shows how things are, while somebody looks."""

    def watch(self, what: str, onlooker: Onlooker) -> None:
        """From now on. Raises: BadEntity, Overloaded."""

    def leave(self, what: str, onlooker: Onlooker) -> None:
        """No more. Does nothing for who does not watch."""


class ViewDesk(Protocol):
    """The tables of views and sinks. All of these raise StoreUnavailable; Refused for what there is not or can't be."""

    async def shown(self) -> bytes:
        """Each with its state, what is left to fold, and what is parked. No content."""

    async def parked(self, table: int, *, after: int, limit: int, full: bool) -> bytes:
        """`{"parked", "next"}`: entities that wait in one table; `next` is what to go on after, null at the end."""

    async def pause(self, view: str, *, paused: bool) -> bytes:
        """`{"view", "paused"}`"""

    async def retry(self, view: str, entity: str | None) -> bytes:
        """`{"view", "retried"}`: how many parked entities will be tried again."""

    async def rebuild(self, view: str) -> bytes:
        """`{"view", "table"}`: what is to be filled."""

    async def drop_old(self, view: str) -> bytes:
        """`{"view", "dropped"}`: how many tables."""


class Desk(Protocol):
    """All of these raise StoreUnavailable, and for the name of an entity BadEntity."""

    @property
    def live(self) -> Live: ...

    @property
    def views(self) -> ViewDesk: ...

    @property
    def jobs(self) -> JobDesk: ...

    async def cluster(self, *, full: bool) -> bytes:
        """Nodes, and what all of them say together."""

    async def entity(self, entity: str, *, full: bool) -> bytes:
        """Where it is and why, and all that is known of it but its content."""

    async def state(self, entity: str) -> bytes:
        """`{"state", "offset", "of"}`: of memory where it is awake, else of its newest snapshot."""

    async def journal(self, entity: str, *, before: int | None, limit: int) -> bytes:
        """`{"events", "next"}`: the newest first; `next` is what to go on before, null at the end."""

    async def letters(self, *, entity: str, before: int | None, limit: int, full: bool) -> bytes:
        """`{"letters", "next"}`: likewise, of dead letters."""

    async def retry(self, numbers: Sequence[int]) -> bytes:
        """`{"wished"}`: the numbers of those letters that will be handled once more."""

    async def drop(self, numbers: Sequence[int]) -> bytes:
        """`{"dropped"}`: the numbers of those letters that there were, and are no more."""
