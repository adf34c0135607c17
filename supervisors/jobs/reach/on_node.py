"""From inside a node: through its kernel, as Greenroom itself."""

from collections.abc import Callable, Iterable

from greenroom.actors.model.message import Ask, Reply, Tell
from greenroom.store.views.asked import Asked, Filters, Row, Rows
from greenroom.supervisors.jobs.reach.reach import Asking
from greenroom.supervisors.kernel.kernel import Kernel


class OnNode:
    """See Reach."""

    def __init__(self, kernel: Callable[[], Kernel], ask: Asking) -> None:
        """`ask` is of nobody's handler, so that a job may ask whoever waits for it."""
        self._kernel = kernel
        self._ask = ask

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        return await self._ask(entity, message)

    async def query(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]:
        return await self._kernel().world.query(row, key, asked)

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters
    ) -> dict[str, list[Row]]:
        return await self._kernel().world.query_pages(row, keys, limit=limit, where=where)

    def nudge(self, entities: Iterable[str], message: Tell) -> None:
        self._kernel().router.nudge(entities, message)
