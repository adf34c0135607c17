"""The lineage watch: asks every two seconds whether the database is still the one that it was.

Appends find that out by themselves: the store refuses those of a former lineage. The watch is for entities that write
nothing: what they and their watchers know may have been lost with the old primary.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio

from greenroom.store.errors import StoreUnavailable

log = structlog.get_logger("greenroom.node")

ASK_S = 2.0


class LineageWatch:
    """Asks the database which history it is, and tells when it has become another. A supervised child."""

    def __init__(self, ask: Callable[[], Awaitable[str]], changed: Callable[[str], None]) -> None:
        """`changed` hears the first answer too: entities may have been awake before it."""
        self._ask = ask
        self._changed = changed
        self._known: str | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            try:
                lineage = await self._ask()
            except StoreUnavailable:
                pass  # whoever wants something of the store says so
            else:
                if lineage != self._known:
                    if self._known is not None:
                        log.error("database_history_changed", was=self._known, now=lineage)
                    self._known = lineage
                    self._changed(lineage)
            await trio.sleep(ASK_S)
