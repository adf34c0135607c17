"""The letter writer: messages that were given up, on their way to the dead letters. Bounded; the log has them all."""

import secrets
from collections import deque
from collections.abc import Callable

import structlog
import trio
from msgspec.structs import replace

from greenroom.actors.model.envelope import Envelope
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import DataRefused, StoreUnavailable
from greenroom.store.journal.dead_letters import DeadLetter, DeadLetters, retried
from greenroom.supervisors.supervision.backoff import NewBackoff

log = structlog.get_logger("greenroom.dead_letters")

WAITING_MAX = 1024  # letters
WAITING_BYTES_MAX = 16 << 20  # of those, what they weigh; one alone may weigh more


class LetterWriter:
    """`keep` never waits; `run` writes, one after the other."""

    def __init__(
        self,
        letters: DeadLetters,
        *,
        instruments: Instruments,
        new_backoff: NewBackoff,
        note_store_unavailable: Callable[[Exception], None],
    ) -> None:
        self._letters = letters
        self._instruments = instruments
        self._new_backoff = new_backoff
        self._note_store_unavailable = note_store_unavailable
        self._waiting: deque[tuple[DeadLetter, int]] = deque()  # letters with their keys; the first is being written
        self.waiting_bytes = 0
        self._come = trio.Event()
        self._written = trio.Event()

    def keep(self, entity: str, envelope: Envelope, error: Exception) -> None:
        """What could not be handled. When too many wait to be written, the log is all that remains of it."""
        user, trace = envelope.principal.user, envelope.trace
        letter = DeadLetter.of(entity, envelope.message, user, error, trace, envelope.strikes)
        letter = replace(letter, id=retried(envelope.command_id))  # a retry does not multiply them
        self.note(letter)
        size = letter.weight
        if len(self._waiting) >= WAITING_MAX or (self._waiting and self.waiting_bytes + size > WAITING_BYTES_MAX):
            log.error("dead_letter_dropped", entity=entity, message_type=letter.message_type, error="too many wait")
            return
        self._waiting.append((letter, secrets.randbits(63)))
        self.waiting_bytes += size
        self._come.set()

    def note(self, letter: DeadLetter) -> None:
        """Count and log one, as also of those that were committed with what else came of them."""
        self._instruments.dead_letters += 1
        log.error("dead_letter", entity=letter.entity, message_type=letter.message_type, error=letter.error)

    async def forget(self, entity: str) -> None:
        """Its letters are not written. Return once none of them is being written either."""
        for waiting in [one for one in list(self._waiting)[1:] if one[0].entity == entity]:
            self._waiting.remove(waiting)
            self.waiting_bytes -= waiting[0].weight
        while any(letter.entity == entity for letter, _ in self._waiting):
            await self._written.wait()

    async def flushed(self) -> None:
        """Return when none waits to be written."""
        while self._waiting:
            await self._written.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled, which is safe at any time: what waits then is written by the next run, or lost with the
        process, so wait for `flushed` before that ends."""
        task_status.started()
        while True:
            while self._waiting:
                letter, key = self._waiting[0]
                await self._write(letter, key)
                self._waiting.popleft()
                self.waiting_bytes -= letter.weight
                self._written.set()
                self._written = trio.Event()
            self._come = trio.Event()
            await self._come.wait()

    async def _write(self, letter: DeadLetter, key: int) -> None:
        backoff = self._new_backoff()
        while True:
            try:
                await self._letters.add(letter, key=key)
                return
            except DataRefused as error:  # this letter, not the store: it must not hold up the others
                log.error("dead_letter_dropped", entity=letter.entity, error=str(error))
                return
            except StoreUnavailable as error:
                self._note_store_unavailable(error)
            except Exception as error:  # such as a text that can not be stored
                log.exception("dead_letter_dropped", entity=letter.entity, error=shown(error))
                return
            await trio.sleep(backoff.next())
