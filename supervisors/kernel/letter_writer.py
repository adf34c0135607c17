"""The letter writer: messages that were given up, on their way to the dead letters. Bounded; the log has them all."""

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

WAITING_MAX = 1024


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
        self._send, self._receive = trio.open_memory_channel[DeadLetter](WAITING_MAX)
        self._unwritten = 0
        self._written = trio.Event()

    def keep(self, entity: str, envelope: Envelope, error: Exception) -> None:
        """What could not be handled. When too many wait to be written, the log is all that remains of it."""
        try:
            letter = DeadLetter.of(
                entity, envelope.message, envelope.principal.user, error, envelope.trace, envelope.strikes
            )
        except Exception as unfit:  # an internal message need not be JSON-able
            self._instruments.dead_letters += 1
            log.error("dead_letter_dropped", entity=entity, message=repr(type(envelope.message)), error=shown(unfit))
            return
        letter = replace(letter, id=retried(envelope.command_id))  # a retry does not multiply them
        self.note(letter)
        try:
            self._send.send_nowait(letter)
            self._unwritten += 1
        except trio.WouldBlock:
            log.error("dead_letter_dropped", entity=entity, message_type=letter.message_type, error="too many wait")

    def note(self, letter: DeadLetter) -> None:
        """Count and log one, as also of those that were committed with what else came of them."""
        self._instruments.dead_letters += 1
        log.error("dead_letter", entity=letter.entity, message_type=letter.message_type, error=letter.error)

    async def flushed(self) -> None:
        """Return when none waits to be written."""
        while self._unwritten:
            await self._written.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled: which loses those that wait, so wait for `flushed` before."""
        task_status.started()
        async for letter in self._receive:
            try:
                await self._write(letter)
            finally:
                self._unwritten -= 1
                self._written.set()
                self._written = trio.Event()

    async def _write(self, letter: DeadLetter) -> None:
        backoff = self._new_backoff()
        while True:
            try:
                await self._letters.add(letter)
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
