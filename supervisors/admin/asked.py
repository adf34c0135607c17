"""Asked: what the other nodes say, each within a deadline. Who does not answer is shown as one that did not."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import msgspec
import trio

from greenroom.supervisors.admin.local import Local
from greenroom.supervisors.admin.told import (
    AboutEntity,
    AboutNode,
    AboutQueues,
    AboutViews,
    EntityTold,
    NodeTold,
    Question,
    QueuesTold,
    ViewsTold,
    decode_entity,
    decode_node,
    decode_queues,
    decode_views,
)

T = TypeVar("T")

ANSWER_S = 1.0  # what another node has to answer

Ask = Callable[[int, bytes, float], Awaitable[bytes | None]]  # node, question, seconds


async def ask_nobody(_node: int, _question: bytes, _within_s: float) -> bytes | None:
    """Of a node without others."""
    return None


class Asked:
    """All nodes, this one too, by what they say."""

    def __init__(self, local: Local, ask: Ask = ask_nobody) -> None:
        self._local = local
        self._ask = ask

    @property
    def me(self) -> int:
        return self._local.node

    async def nodes(self, others: Iterable[int]) -> dict[int, NodeTold]:
        """Those of them that have answered, and this one."""
        found = await self._others(others, AboutNode(), decode_node)
        found[self.me] = await self._local.of_node()
        return found

    async def views(self, others: Iterable[int]) -> dict[int, ViewsTold]:
        """Likewise."""
        found = await self._others(others, AboutViews(), decode_views)
        found[self.me] = self._local.of_views()
        return found

    async def queues(self, others: Iterable[int]) -> dict[int, QueuesTold]:
        """Likewise."""
        found = await self._others(others, AboutQueues(), decode_queues)
        found[self.me] = await self._local.of_queues()
        return found

    async def entity(self, node: int, about: AboutEntity) -> EntityTold | None:
        """None where it does not answer. Raises: BadEntity."""
        if node == self.me:
            return self._local.of_entity(about)
        return await self._other(node, about, decode_entity)

    async def _others(self, nodes: Iterable[int], question: Question, decode: Callable[[bytes], T]) -> dict[int, T]:
        found: dict[int, T] = {}

        async def ask(node: int) -> None:
            told = await self._other(node, question, decode)
            if told is not None:
                found[node] = told

        async with trio.open_nursery() as nursery:  # owner: this call
            for node in set(nodes) - {self.me}:
                nursery.start_soon(ask, node)
        return found

    async def _other(self, node: int, question: Question, decode: Callable[[bytes], T]) -> T | None:
        said = await self._ask(node, msgspec.json.encode(question), ANSWER_S)
        if said is None:
            return None
        try:
            return decode(said)
        except msgspec.MsgspecError:  # of a release that is too far from this one's
            return None
