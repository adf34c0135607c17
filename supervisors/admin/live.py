"""Live: how things are, shown again and again to those who watch. Looks while somebody does, once for all of them."""

from collections.abc import Awaitable, Callable

import msgspec
import structlog
import trio

from greenroom.actors.model.errors import ActorError, Overloaded
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreError
from greenroom.transports.admin.desk import Onlooker

log = structlog.get_logger("greenroom.admin")

ONLOOKERS_MAX = 64
LOOK_S = 10.0  # what one look may take
SHOWN, TROUBLE = "shown", "trouble"  # events
UNTOLD = "this can't be looked at just now"  # to viewers: the text of an error may hold what people wrote

# What is watched, is somebody there who sees all, and somebody who does not: what is shown to the one and to the other.
Look = Callable[[str, bool, bool], Awaitable[tuple[bytes, bytes]]]


class LiveBoard:
    """Of one node, a supervised child."""

    def __init__(self, look: Look, *, pace_s: Callable[[str], float]) -> None:
        """`look` raises StoreError, or ActorError for what can't be looked at. `pace_s`: seconds between two looks."""
        self._look = look
        self._pace_s = pace_s
        self._watched: dict[str, dict[Onlooker, None]] = {}
        self._count = 0
        self._nursery: trio.Nursery | None = None

    def watch(self, what: str, onlooker: Onlooker) -> None:
        """See Live. Raises: Overloaded."""
        if self._nursery is None or self._count >= ONLOOKERS_MAX:
            raise Overloaded(f"{self._count} pages watch")
        self._count += 1
        if what in self._watched:
            self._watched[what][onlooker] = None
            return
        self._watched[what] = {onlooker: None}
        self._nursery.start_soon(self._show_on, what, self._watched[what])

    def leave(self, what: str, onlooker: Onlooker) -> None:
        """See Live."""
        onlookers = self._watched.get(what)
        if onlookers is not None and onlooker in onlookers:
            del onlookers[onlooker]
            self._count -= 1
            if not onlookers:
                del self._watched[what]

    async def _show_on(self, what: str, onlookers: dict[Onlooker, None]) -> None:
        """Until none of them is left."""
        while onlookers:
            await self._show(what, onlookers)
            await trio.sleep(self._pace_s(what))

    async def _show(self, what: str, onlookers: dict[Onlooker, None]) -> None:
        full, viewer = (any(one.sees_all is sees_all for one in onlookers) for sees_all in (True, False))
        trouble = f"no answer within {LOOK_S:g} s"
        with trio.move_on_after(LOOK_S):
            try:
                for_all, for_others = await self._look(what, full, viewer)
            except (StoreError, ActorError) as error:
                trouble = str(error) or repr(error)
            except Exception as error:  # the edge: a mistake in one look is not the end of all pages
                log.exception("look_failed", what=what, error=shown(error))
                trouble = "internal error"
            else:
                trouble = ""
                for onlooker in list(onlookers):
                    if body := for_all if onlooker.sees_all else for_others:
                        onlooker.show(SHOWN, body)
        if trouble:
            body = msgspec.json.encode({"trouble": trouble})
            untold = msgspec.json.encode({"trouble": UNTOLD})
            for onlooker in list(onlookers):
                onlooker.show(TROUBLE, body if onlooker.sees_all else untold)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Whoever watched when a former run ended is shown things again."""
        async with trio.open_nursery() as nursery:  # owner: this call
            self._nursery = nursery
            for what, onlookers in self._watched.items():
                nursery.start_soon(self._show_on, what, onlookers)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None
