"""Are the dead letters growing? One warning with what they are, rarely enough to be read; and a number for /metrics.

Each letter has its own line in the log already. This is for whoever gets a thousand of those, or reads only warnings.
"""

import structlog
import trio

from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.dead_letters import Census, DeadLetters

log = structlog.get_logger("greenroom.dead_letters")

LOOK_S = 15.0
QUIET_S = 300.0  # between two warnings


class Growth:
    """Decides when to say that they have grown."""

    def __init__(self, *, quiet_s: float = QUIET_S) -> None:
        self._quiet_s = quiet_s
        self._told_at = -quiet_s
        self.seen_id: int | None = None  # the newest letter that has been told of; None before the first look

    def looked(self, found: Census, now_s: float) -> bool:
        """Warn now? What was there before the first look is not growth; what comes in the quiet time is told after."""
        if self.seen_id is None:
            self.seen_id = found.last_id
            return False
        if not found.since or now_s - self._told_at < self._quiet_s:
            return False
        self._told_at = now_s
        self.seen_id = found.last_id
        return True


class DeadLetterWatch:
    """Looks how many dead letters there are, and logs when they grow. A supervised child."""

    def __init__(self, letters: DeadLetters, instruments: Instruments) -> None:
        self._letters = letters
        self._instruments = instruments
        self._growth = Growth()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look until cancelled."""
        task_status.started()
        while True:
            await self._look()
            await trio.sleep(LOOK_S)

    async def _look(self) -> None:
        try:
            found = await self._letters.census(after=self._growth.seen_id or 0)
        except StoreUnavailable:
            return  # others say so; the number stays as it was
        self._instruments.dead_letters_stored = found.stored
        if self._growth.looked(found, trio.current_time()):
            kind, message_type, number = found.common or ("", "", 0)
            log.warning(
                "dead_letters_growing",
                stored=found.stored,
                new=found.since,
                last_minute=found.minute,
                mostly_kind=kind,
                mostly_message=message_type,
                of_these=number,
            )
