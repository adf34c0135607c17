"""Switching: a table that was filled beside a live one takes its place, once it has caught up.

Caught up is what has no more entities behind than happen to be under way, none of them for long, and none parked: a
table that lacks an entity is no better than the one it is to replace. For long is what two looks ago had events that
are still not folded: clocks don't say it, for those of two nodes may be hours apart. Nor do looks at another history of
the database: a failover may have lost that something was folded, though its events are there. And not while nodes are
up that lack its code: they serve the one before. All nodes look; the first that finds it so switches, and the others
see it by the rows.
"""

from collections import deque
from collections.abc import Callable, Mapping
from math import inf

import structlog
import trio

from greenroom.store.errors import OutcomeLost, StoreUnavailable, ViewRefused
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Behind, Lacking, Progress, Versions
from greenroom.supervisors.views.follower import Follower
from greenroom.supervisors.views.sweep import Sweep

log = structlog.get_logger("greenroom.views")

LOOK_S = 1.0
BLOCKED_S = 10.0  # between two tries while SQL views of others stand in the way
UNDER_WAY_MAX = 100  # entities behind, of a table that has caught up
LOOKS = 2  # as long an event may be under way
OLDEST_S = 4.0  # beyond, a look says nothing of now, on the database's clock
FRESH_S = 2.0  # after which what was looked up says too little to switch by, on the database's clock


class Switching:
    """A supervised child of a table that is `filling`: `run` returns once it is not any more."""

    def __init__(
        self,
        runner: Follower,
        sweep: Sweep,
        *,
        versions: Versions,
        progress: Progress,
        switched: Callable[[], None],
    ) -> None:
        """`switched`: the rows of versions are to be read again."""
        self._runner = runner
        self._sweep = sweep
        self._versions = versions
        self._progress = progress
        self._switched = switched
        self._told = ""
        self._looks: deque[tuple[float, dict[int, Lacking]]] = deque(maxlen=LOOKS)  # when, and what; the older first
        self._lineage = ""  # of the database that these were at

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled, or done. A store that is away makes it late."""
        task_status.started()
        while self._runner.version.state == "filling":
            await trio.sleep(LOOK_S)
            if self._runner.version.paused or not self._sweep.laps or self._runner.backlog.behind > UNDER_WAY_MAX:
                self._looks.clear()
                continue
            try:
                await self._look()
            except (StoreUnavailable, OutcomeLost) as error:
                self._looks.clear()
                log.warning("view_not_switched", view=self._runner.version.name, error=str(error))

    async def _look(self) -> None:
        """Raises: StoreUnavailable, OutcomeLost."""
        version = self._runner.version
        if self._runner.is_mixed:
            self._tell("a node is up whose release lacks its code")
            return
        if await self._some_are_parked(version):
            return
        behind = await self._progress.behind(version, entities_max=UNDER_WAY_MAX)
        if not self._has_caught_up(behind):
            return
        if await self._some_are_parked(version):  # meanwhile, as another node's runner does: those are not counted
            return
        try:
            is_switched = await self._versions.switch(version, until_s=behind.ended_s + FRESH_S, lineage=behind.lineage)
        except ViewRefused as error:
            self._tell(str(error))
            await trio.sleep(BLOCKED_S)
            return
        if is_switched:
            log.info("view_switched", view=version.name, version=version.version, build=version.build)
        self._switched()

    def _has_caught_up(self, behind: Behind) -> bool:
        at_s, ended_s, lacking, lineage = behind
        if lacking is None or lineage != self._lineage:
            self._looks.clear()
            self._lineage = lineage
        if lacking is None:
            return False
        then_s, before = self._looks[0] if len(self._looks) == LOOKS else (-inf, {})
        self._looks.append((at_s, lacking))
        oldest_s = OLDEST_S + LOOKS * (ended_s - at_s)  # looks that take long are further apart
        return not lacking or (at_s - then_s <= oldest_s and _are_folded(before, lacking))

    async def _some_are_parked(self, version: Version) -> bool:
        parked = await self._progress.parked_count(version)
        if parked:
            self._tell(f"{parked} entities are parked")
        return bool(parked)

    def _tell(self, why: str) -> None:
        """Once, until it is another reason."""
        if why != self._told:
            self._told = why
            log.warning("view_not_switched", view=self._runner.version.name, error=why)


def _are_folded(before: Mapping[int, Lacking], now: Mapping[int, Lacking]) -> bool:
    """What was there before, of each that was behind then? Who is not behind now has folded all."""
    return all(id_ not in now or now[id_].folded >= one.through for id_, one in before.items())
