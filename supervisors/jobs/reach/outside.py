"""From a process that only works on jobs: what clients may send goes to the server, and nothing else."""

from collections.abc import Iterable
from typing import NoReturn

from greenroom.actors.jobs.work import NoEntities
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask, Reply, Tell, tag_of
from greenroom.store.views.asked import Asked, Filters, Row, Rows
from greenroom.supervisors.jobs.reach.reach import Asking


class Nowhere:
    """See Reach: of whoever has no way to a node."""

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        _refuse(f"it can't ask {tag_of(type(message))}")

    async def query(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]:
        _refuse("it reads no views")

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters
    ) -> dict[str, list[Row]]:
        _refuse("it reads no views")

    def nudge(self, entities: Iterable[str], message: Tell) -> None:
        _refuse("it nudges nobody")


class Outside(Nowhere):
    """See Reach: of a process of `greenroom work`."""

    def __init__(self, kinds: Kinds, ask: Asking) -> None:
        """`kinds`: those that it knows. `ask`: the server, as whom its token names."""
        self._kinds = kinds
        self._ask = ask

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        """Raises: BadEntity, UnknownKind."""
        kind = self._kinds[split_entity(entity)[0]]
        if type(message) not in kind.actor.commands:
            _refuse(f"{kind.name} takes {tag_of(type(message))} from no client")
        return await self._ask(entity, message)


def _refuse(why: str) -> NoReturn:
    raise NoEntities(f"this worker is no part of a node, and {why}: let nodes work on that queue, by GREENROOM_WORK")
