"""Forgetting: what is being erased leaves this node's memory, and the database hears when it has.

Nothing depends on how soon: an entity that is being erased has a fence that nobody can match, so whatever this node
still believes of it comes to nothing. Whoever erases waits for each node that is up before removing rows.
"""

from collections.abc import Callable

import structlog
import trio

from greenroom.store.erasure.erasures import USER, PostgresErasures
from greenroom.store.erasure.jobs import JOB_KIND
from greenroom.store.errors import StoreUnavailable
from greenroom.supervisors.kernel.kernel import Kernel

log = structlog.get_logger("greenroom.node")

LOOK_S = 1.0
PAGE = 5_000  # entities that one statement asks about


class Forgetting:
    """Asks the database once a second what is being erased. A supervised child."""

    def __init__(
        self, erasures: PostgresErasures, kernel: Kernel, *, incarnation: int, unwatch: Callable[[str], None]
    ) -> None:
        """`unwatch` ends what watches an entity on this node, and forgets what it was shown."""
        self._erasures = erasures
        self._kernel = kernel
        self._incarnation = incarnation
        self._unwatch = unwatch
        self._through = 0  # the last erasure that is dealt with

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                self._kernel.note_store_unavailable(error)
            await trio.sleep(LOOK_S)

    async def look(self) -> None:
        """Forget what is new. Raises: StoreUnavailable."""
        undone, last = await self._erasures.undone(after=self._through)
        if last <= self._through:
            return
        for one in undone:
            if one.kind == USER:
                await self._begin_anew()
                continue
            await self._kernel.forget(one.name, one.head_id)
            self._unwatch(one.name)
            if one.kind == JOB_KIND:
                await self._begin_anew()  # its queue, which has it in memory
            log.info("entity_forgotten", erasure=one.id)  # without its name, which is to be nowhere
        await self._erasures.heard(self._incarnation, through=last)
        self._through = last

    async def _begin_anew(self) -> None:
        """Whose events and state were written anew begins another life, and whoever watches it starts over.

        Raises: StoreUnavailable."""
        known = sorted(self._kernel.present())
        for first in range(0, len(known), PAGE):
            for entity in await self._erasures.changed(known[first : first + PAGE]):
                await self._kernel.begin_anew(entity)
