"""The sweep of one table: finds entities with events that nobody here has heard of.

It walks over all heads by their ids, and gives the backlog those of this node's shards that are behind: all that is
left of a crash, of another node, of a time without this code. At the start, when shards have come, when the database
has another history, which may lack what was folded and not its events, and when it is asked to, it goes quickly. So it
does once more `late_s` after shards have come: what their former owner had on its way to the database may have landed
behind the first lap, and it tells nobody. Besides it goes round slowly, for what should not be missed and might be.

While nodes are up whose release lacks this version's code, nobody hears of what is recorded there. Then each that has
it goes round without a pause, over the shards of all.
"""

from collections.abc import Callable, Collection
from math import inf
from typing import NamedTuple

import structlog
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.views.store import ViewStore
from greenroom.supervisors.views.backlog import ROOM
from greenroom.supervisors.views.follower import Follower
from greenroom.supervisors.views.inline import CONNECT_S
from greenroom.supervisors.views.stopwatch import STOPWATCH, Stopwatch

log = structlog.get_logger("greenroom.views")

LOOK_S = 1.0  # between two looks whether there is a reason to go round
ROUND_S = 60.0  # between the end of a lap without a reason and the next one
SLOW_SHARE = 0.01  # of the time, that such a lap may take
FAST_SHARE = 0.5  # likewise, of one that has a reason
MIXED_SHARE = 0.1  # likewise, while other nodes lack this version's code
REST_MAX_S = 10.0  # between two pages: that a database was slow once is no reason to look at it no more


class _Reasons(NamedTuple):
    shards: Collection[int] | None  # to look at
    rung: int  # how often it was
    is_mixed: bool  # are releases?
    history: str | None  # of the database


class Sweep:
    """A supervised child: `run`. `laps` counts those that were whole."""

    def __init__(
        self,
        runner: Follower,
        store: ViewStore,
        *,
        shards: Callable[[], Collection[int] | None],
        history: Callable[[], str | None] = lambda: None,
        page: int = ROOM,
        stopwatch: Stopwatch = STOPWATCH,
        statement_s: float = 10.0,
    ) -> None:
        """`shards`: those whose entities are this node's to fold; None: all. Another object after each change.
        `history`: of the database, as last heard; None: not yet. "" is what it has until its first failover.
        `statement_s`: the longest that a statement may take, on any node."""
        self._runner = runner
        self._store = store
        self._shards = shards
        self._history = history
        self._page = page
        self._stopwatch = stopwatch
        # After shards have come: no statement of their former owner lands any more.
        self.late_s = statement_s + CONNECT_S
        self._looked_at: _Reasons | None = None  # what they were at the last lap
        self._late_at = inf  # on the trio clock: when it is to go round once more
        self.laps = 0
        self.found = 0  # entities, by the last whole lap

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled, which is safe at any time. A store that is away makes it begin its lap anew."""
        task_status.started()
        self._looked_at = None
        rounded_at = trio.current_time()
        while True:
            is_due = trio.current_time() - rounded_at >= ROUND_S
            is_mixed = self._runner.is_mixed
            if not self._runner.version.paused and (self._has_reason() or is_due or is_mixed):
                share = FAST_SHARE if self._has_reason() else MIXED_SHARE if is_mixed else SLOW_SHARE
                try:
                    await self._lap(share)
                except StoreUnavailable as error:
                    log.debug("views_not_swept", error=str(error))
                rounded_at = trio.current_time()
            await trio.sleep(LOOK_S)

    def _has_reason(self) -> bool:
        then = self._looked_at
        if then is None or self._runner.backlog.swept_away:
            return True
        now = self._now()
        if now.shards is not then.shards or trio.current_time() >= self._late_at:
            return True
        has_failed_over = then.history is not None and now.history != then.history
        return has_failed_over or now.rung != then.rung or now.is_mixed != then.is_mixed

    def _now(self) -> "_Reasons":
        is_mixed = self._runner.is_mixed
        shards = None if is_mixed else self._shards()
        return _Reasons(shards, self._runner.version.rung, is_mixed, self._history())

    async def _lap(self, share: float) -> None:
        """Look at every head once, or until there is a reason to begin anew quickly. Raises: StoreUnavailable."""
        runner, backlog = self._runner, self._runner.backlog
        seen, then = self._now(), self._looked_at
        is_quick, began_at = share == FAST_SHARE, trio.current_time()
        backlog.swept_away = False
        found, after_id = 0, 0
        while not runner.version.paused and (is_quick or not self._has_reason()):
            await backlog.room()
            began = self._stopwatch.elapsed()
            behind, last_id = await self._store.behind(
                runner.version, after_id=after_id, limit=self._page, shards=seen.shards
            )
            if last_id is None:
                self._looked_at = seen
                if then is None or seen.shards is not then.shards:
                    self._late_at = trio.current_time() + self.late_s
                elif began_at >= self._late_at:
                    self._late_at = inf
                self.laps += 1
                self.found = found
                return
            found += len(behind)
            backlog.fall_behind(one.head_id for one in behind)
            after_id = last_id
            rest_s = min((self._stopwatch.elapsed() - began) * (1 / share - 1), REST_MAX_S)
            while rest_s > 0 and (is_quick or not self._has_reason()):
                await trio.sleep(min(rest_s, LOOK_S))
                rest_s -= LOOK_S
