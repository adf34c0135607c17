"""A closed loop without tasks: an answer sends the next command, as the gate does it, through a reply slot."""

from collections.abc import Callable, Iterable
from typing import Any

import trio

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.message import Message
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.supervisors.kernel.kernel import Kernel

COMMAND_BYTES = 100  # what the mailbox weighs each of them with


def _system(entity: str) -> Principal:
    return SYSTEM


class ClosedLoop:
    def __init__(
        self,
        kernel: Kernel,
        message: Callable[[str], Message],
        *,
        ids: str,
        principal: Callable[[str], Principal] = _system,
    ) -> None:
        """`message` makes an entity's next command; `ids` begins their command ids; `principal` gives who sends it."""
        self._submit = kernel.router.submit
        self._message = message
        self._ids = ids
        self._principal = principal
        self._sent = 0
        self.answered = 0
        self.failed = 0
        self.failure = ""
        self.waiting = 0
        self._stopping = False
        self._done = trio.Event()

    def send(self, entity: str) -> None:
        self._sent += 1
        self.waiting += 1
        envelope = Envelope(
            message=self._message(entity),
            principal=self._principal(entity),
            slot=_Slot(self, entity),
            command_id=f"{self._ids}{self._sent}",
            size=COMMAND_BYTES,
        )
        self._submit(entity, envelope)

    def over(self, entity: str, failure: str) -> None:
        self.waiting -= 1
        if failure:
            self.failed += 1
            self.failure = self.failure or failure
        else:
            self.answered += 1
        if not self._stopping:
            self.send(entity)
        elif not self.waiting:
            self._done.set()

    async def once(self, entities: Iterable[str]) -> None:
        """Send to each, and wait for all answers."""
        self._stopping, self._done = True, trio.Event()
        for entity in entities:
            self.send(entity)
        await self._done.wait()

    async def stop(self, *, within_s: float) -> None:
        """Send no more, and wait for what is on its way; what is left then is in `waiting`."""
        self._stopping = True
        with trio.move_on_after(within_s):
            await self._done.wait()


class _Slot:
    __slots__ = ("_entity", "_loop")

    def __init__(self, loop: ClosedLoop, entity: str) -> None:
        self._loop = loop
        self._entity = entity

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        self._loop.over(self._entity, "")

    def reject(self, error: ActorError) -> None:
        self._loop.over(self._entity, repr(error))
