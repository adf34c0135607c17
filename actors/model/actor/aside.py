"""Aside: an answer that is read while its entity goes on."""

from collections.abc import Awaitable, Callable
from typing import Generic

from greenroom.actors.model.actor.querying import Querying
from greenroom.actors.model.actor.runtime import Answer, ReadTurn, Runtime
from greenroom.actors.model.message import Ask, Reply
from greenroom.actors.model.principal import SYSTEM


class Reads(Querying):
    """What an `Aside` may do: ask other entities and views, as `Actor.ask`, `query` and `query_pages` do, on behalf of
    the message that it answers. Where too many read, it is the first of these that waits, or raises Overloaded."""

    __slots__ = ("_chain", "_turn", "runtime")

    def __init__(self, runtime: Runtime, chain: tuple[str, ...], turn: ReadTurn | None = None) -> None:
        self.runtime = runtime
        self._chain = chain  # of who asked: the entity itself waits for nobody meanwhile
        self._turn = turn  # None: nobody counts

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        """A question: whoever is turned away afterwards asks it again. Raises: see Actor.ask."""
        return await self.runtime.ask(entity, message, chain=self._chain, principal=SYSTEM)

    def _in_turn(self, answer: Awaitable[Answer]) -> Awaitable[Answer]:
        """It has done nothing yet, whatever it has asked."""
        return answer if self._turn is None else self._turn.read(answer, may_refuse=True)


class Aside(Generic[Reply]):
    """What `handle` returns in place of the reply where nothing is left to do but to read: `Aside(read)`, where
    `read(reads)` is async, and returns the reply or raises Refused.

    Other messages of the entity are handled meanwhile, as with an `async def handle` they are not. So `read` sees the
    state as it then is, must not use `self.principal`, which is another message's by then, and must not record or name
    anything. What it returns or raises is said once what it may have seen is durable. It has `limits.async_handler_s`.
    Where the entity begins anew before it has ended, whoever asked hears `unavailable`, and may ask again. The answer
    is not remembered by an idempotency key.
    """

    __slots__ = ("read",)

    def __init__(self, read: Callable[[Reads], Awaitable[Reply]]) -> None:
        self.read = read
