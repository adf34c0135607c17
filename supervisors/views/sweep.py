"""The sweep of one table: finds entities with events that nobody here has heard of.

It walks over all heads by their ids, and gives the backlog those of this node's shards that are behind: all that is
left of a crash, of another node, of a time without this code. At the start, when shards have come, and when it is asked
to, it goes quickly; besides it goes round slowly, for what should not be missed and might be.
"""

from collections.abc import Callable, Collection
from time import perf_counter

import structlog
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.views.store import ViewStore
from greenroom.supervisors.views.backlog import ROOM
from greenroom.supervisors.views.runner import Runner

log = structlog.get_logger("greenroom.views")

LOOK_S = 1.0  # between two looks whether there is a reason to go round
ROUND_S = 60.0  # between the end of a lap without a reason and the next one
SLOW_SHARE = 0.01  # of the time, that such a lap may take
FAST_SHARE = 0.5  # likewise, of one that has a reason


class Sweep:
    """A supervised child: `run`. `laps` counts those that were whole."""

    def __init__(
        self,
        runner: Runner,
        store: ViewStore,
        *,
        shards: Callable[[], Collection[int] | None],
        page: int = ROOM,
    ) -> None:
        """`shards`: those whose entities are this node's to fold; None: all. Another object after each change."""
        self._runner = runner
        self._store = store
        self._shards = shards
        self._page = page
        self._looked_at: tuple[Collection[int] | None, int] | None = None  # the shards and the ring of the last lap
        self.laps = 0
        self.found = 0  # entities, by the last whole lap

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled, which is safe at any time. A store that is away makes it begin its lap anew."""
        task_status.started()
        self._looked_at = None
        rounded_at = trio.current_time()
        while True:
            is_due = trio.current_time() - rounded_at >= ROUND_S
            if not self._runner.version.paused and (self._has_reason() or is_due):
                try:
                    await self._lap(SLOW_SHARE if not self._has_reason() else FAST_SHARE)
                except StoreUnavailable as error:
                    log.debug("views_not_swept", error=str(error))
                rounded_at = trio.current_time()
            await trio.sleep(LOOK_S)

    def _has_reason(self) -> bool:
        return self._runner.backlog.swept_away or self._looked_at is None or not self._is_as_then(*self._looked_at)

    def _is_as_then(self, shards: Collection[int] | None, rung: int) -> bool:
        return shards is self._shards() and rung == self._runner.version.rung

    async def _lap(self, share: float) -> None:
        """Look at every head once. Raises: StoreUnavailable."""
        runner, backlog = self._runner, self._runner.backlog
        seen = self._shards(), runner.version.rung
        backlog.swept_away = False
        found, after_id = 0, 0
        while not runner.version.paused:
            await backlog.room()
            began = perf_counter()
            behind, last_id = await self._store.behind(
                runner.version, after_id=after_id, limit=self._page, shards=seen[0]
            )
            if last_id is None:
                self._looked_at = seen
                self.laps += 1
                self.found = found
                return
            found += len(behind)
            backlog.fall_behind(one.head_id for one in behind)
            after_id = last_id
            await trio.sleep((perf_counter() - began) * (1 / share - 1))
