"""Answers that are read aside: see Aside. A task for each, beside the entities' own, which go on meanwhile."""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog
import trio

from greenroom.actors.life.async_handler import read_aside
from greenroom.actors.life.departures import Reading
from greenroom.actors.life.life import Life
from greenroom.actors.life.many.admission import Admission, ReadTurn
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import HandlerFailed, Overloaded, StoreAway, Unavailable
from greenroom.config.telemetry.shown import shown
from greenroom.supervisors.supervision.watched_steps import watched_steps

log = structlog.get_logger("greenroom.cell")

READING_MAX = 10_000  # of all entities of the node


class Asides:
    """Of one node."""

    def __init__(
        self,
        *,
        turn: Turn,
        admission: Admission,
        fresh: Callable[[], Awaitable[None]],
        note_store_unavailable: Callable[[Exception], None],
    ) -> None:
        """`fresh` returns while the lease holds: what was read is no answer without one."""
        self._turn = turn
        self._admission = admission
        self._note_store_unavailable = note_store_unavailable
        self._fresh = fresh
        self._nursery: trio.Nursery | None = None
        self._count = 0

    def __len__(self) -> int:
        """How many are being read."""
        return self._count

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Owner of what is read: no crash of one ends the others."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None  # it takes nobody in any more, while those in it end

    def start(self, life: Life, due: Reading) -> None:
        """Read it now."""
        if self._nursery is not None and self._count < READING_MAX:
            self._count += 1
            self._nursery.start_soon(self._read, life, due)
            return
        life.asides -= 1
        if self._nursery is None:
            due.later.reject(Unavailable("this node reads no answers now"))
        else:
            due.later.reject(Overloaded(f"{READING_MAX} answers are being read"))

    async def _read(self, life: Life, due: Reading) -> None:
        turn = self._admission.turn(trio.current_time() + due.seconds, is_command=due.is_command)
        reading = watched_steps(_reading(due, turn), self._turn, life, due)
        try:
            refusal = await read_aside(due, reading, partial(self._certain, life))
            if isinstance(refusal, StoreAway):
                self._note_store_unavailable(refusal)
        except Exception as error:  # the edge, as a departure that fails is: the entity itself is none the worse
            log.exception("departure_failed", entity=life.entity, error=shown(error))
            due.later.reject(HandlerFailed(shown(error)))
        finally:
            turn.end()
            self._count -= 1
            life.asides -= 1
            due.later.reject(Unavailable("this node reads no answers any more"))  # unless it was answered

    async def _certain(self, life: Life) -> None:
        """What was recorded until now, which it may have read, is durable, and the shard is still this node's. A life
        that has ended meanwhile has told whoever waits to ask again."""
        offset = life.actor.offset
        while not (life.is_durable(offset) or life.ended):
            moved = trio.Event()
            life.looks = [*life.looks, moved.set]
            await moved.wait()
        await self._fresh()


async def _reading(due: Reading, turn: ReadTurn) -> object:
    return await due.read(turn)
