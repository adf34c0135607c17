"""Dead letters that somebody wants handled once more: seen in the store, sent to their entity, dropped when handled.

A retry has a command id of its own, so a crash between handling and dropping does not handle it twice. One that fails
again keeps its number and gets the new error. Sent one after the other, oldest first; what is temporary stays wished.
"""

import math

import structlog
import trio
from msgspec import MsgspecError

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope, TaskSlot
from greenroom.actors.model.errors import ActorError, HandlerFailed
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.dead_letters import DeadLetter, DeadLetters, Which, retry_id
from greenroom.supervisors.kernel.kernel import Kernel

log = structlog.get_logger("greenroom.dead_letters")

LOOK_S = 1.0
ANSWER_S = 30.0
AT_ONCE = 100  # letters read at once


class DeadLetterRetries:
    """Sends again the dead letters that somebody wished to be tried again. A supervised child."""

    def __init__(self, *, kinds: Kinds, kernel: Kernel, letters: DeadLetters) -> None:
        self._kinds = kinds
        self._kernel = kernel
        self._letters = letters

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled: which leaves what is under way wished for, and so to be tried again."""
        task_status.started()
        while True:
            await trio.sleep(LOOK_S)
            try:
                for letter in await self._letters.wished(limit=AT_ONCE, shards=self._kernel.ownership.shards()):
                    await self._retry(letter)
            except StoreUnavailable as error:
                self._kernel.note_store_unavailable(error)

    async def _retry(self, letter: DeadLetter) -> None:
        """Raises: StoreUnavailable."""
        failed, error = True, ""
        with trio.move_on_after(ANSWER_S) as scope:
            try:
                await self._handled(letter)
                failed = False
            except HandlerFailed:
                pass  # the system has written the letter anew, with its traceback
            except ActorError as failure:
                if failure.temporary:
                    return
                error = repr(failure)
            except MsgspecError as failure:  # cut off, or of a type that this code does not know any more
                error = repr(failure)
        if scope.cancelled_caught:
            error = f"no answer within {ANSWER_S:g} s; it may still be handled"
        if failed:
            await self._letters.refused(letter.id, error)
            log.warning("dead_letter_refused_again", letter=letter.id, entity=letter.entity, error=error)
        else:
            await self._letters.drop(Which(ids=(letter.id,)))
            log.info("dead_letter_handled", letter=letter.id, entity=letter.entity)

    async def _handled(self, letter: DeadLetter) -> None:
        """Return once its effects are durable. Raises: ActorError, MsgspecError."""
        kind = self._kinds[split_entity(letter.entity)[0]]
        slot = TaskSlot()
        envelope = Envelope(
            message=kind.decode_message(letter.payload),
            principal=Principal(user=letter.principal) if letter.principal else SYSTEM,
            slot=slot,
            deadline=math.inf,
            command_id=retry_id(letter),
            trace=letter.trace or None,
            size=len(letter.payload),
            queued_at=trio.current_time(),
        )
        self._kernel.router.submit(letter.entity, envelope)
        await slot.wait()
