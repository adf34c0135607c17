"""What a job asks of entities and views, and who answers it."""

from collections.abc import Iterable
from typing import Protocol

from greenroom.actors.model.message import Ask, Reply, Tell
from greenroom.store.views.asked import Asked, Filters, Row, Rows


class Asking(Protocol):
    """Router.ask, or the same over HTTP."""

    async def __call__(self, entity: str, message: Ask[Reply], /) -> Reply:
        """Raises: ActorError."""


class Reach(Protocol):
    """See Work. All of it raises NoEntities where it is out of reach."""

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply: ...

    async def query(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]: ...

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters
    ) -> dict[str, list[Row]]: ...

    def nudge(self, entities: Iterable[str], message: Tell) -> None: ...
