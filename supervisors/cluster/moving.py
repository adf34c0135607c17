"""Moving: shards are handed to the nodes that they are to be on, a few at a time, while their entities go on.

A shard that is handed over departs (kernel/departing.py): nobody in it is woken any more, those awake finish their
bursts, have them committed, and end. Then its row goes from this node to the next in one statement, with a higher term;
all nodes are told, and what has come for its entities meanwhile is sent after them. Nobody is refused. An entity is
away for the time of its last burst and of two statements. So that this is short, shards in which somebody is awake go
in slices of few entities, as many as are through in a moment (`slices.py`), and all others beforehand.

An entity that does not end in time keeps its shard here, and is built anew. The others in it go on meanwhile: they are
kept waiting again when it has ended. How long they wait follows how long commits take: where these are slow nobody who
is busy could end sooner, and no shard would ever be moved.

A shard may be another's that was not handed over, or not to our knowledge: given away by a statement that was believed
lost, or by a database that has forgotten. Then whoever is awake in it ends as soon as the rows say so.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress

import structlog
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.cluster.pacing import PACE_S, SHARE, Pacing
from greenroom.supervisors.cluster.slices import Slices
from greenroom.supervisors.kernel.system import System

log = structlog.get_logger("greenroom.membership")

STRAGGLES_S = 0.2  # after that the next slice does not wait for the last entities of one any more
ENTITIES_S = 0.5  # what the entities of a shard have to end, at least, while the others in it wait
ENTITIES_MAX_S = 4.0  # and at most
COMMITS = 4  # of which so many may go by: one under way, the last burst's behind it, the snapshot; and some are slower
PREPARED_S = 0.1  # what the entities of a batch have to write snapshots
AGAIN_S = 0.2  # before what the referee did not answer, or refused, is tried again


class Moving:
    """A duty of a node that shares its database. `run` gives others what is to be theirs, `give_all` all there is."""

    def __init__(
        self,
        membership: Membership,
        system: System,
        *,
        pacing: Pacing | None = None,
        commit_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`commit_s`: how long commits take lately, seconds."""
        self._commit_s = commit_s
        self._membership = membership
        self._system = system
        self._pacing = pacing or Pacing(list)  # nothing to be heeded
        self._slices = Slices()
        self._prepared: set[int] = set()  # shards of the next batch, whose entities know that they are to go
        self._prepared_at = float("-inf")  # when they were told so last
        self._turn = trio.Lock()  # one batch at a time

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        async with trio.open_nursery() as nursery:  # owner: this call; whatever a part raises ends both
            nursery.start_soon(self._move_on)
            nursery.start_soon(self._end_overtaken)

    async def _move_on(self) -> None:
        while True:
            hurries = self._membership.is_left_out
            most = max(1, self._membership.count // SHARE) if hurries else self._pacing.batch(self._membership.count)
            async with self._turn:
                is_moving = await self._move_some(most)
            if is_moving or self._late():
                await trio.sleep(AGAIN_S if hurries else PACE_S)
            else:
                self._pacing.over()
                await self._membership.changed()

    async def _end_overtaken(self) -> None:
        while True:
            overtaken = self._membership.take_overtaken()
            if overtaken:
                log.warning("shards_overtaken", shards=len(overtaken))
                await self._system.end_in(overtaken)
            else:
                await self._membership.changed()

    async def give_all(self) -> None:
        """Leave: have others own all that this node owns, while it goes on. Returns when it owns nothing, or nobody is
        there to have it. May be cancelled."""
        async with self._turn:
            await self._drain()
            while True:
                while await self._move_some(max(1, self._membership.count // SHARE)) or self._late():
                    if self._late() and not self._movable():
                        with trio.move_on_after(AGAIN_S):  # who is there to have them may change as well
                            await self._system.departing.fewer()
                if not self._membership.owned():
                    return
                await self._membership.looked()  # given by some who had not heard yet that this one leaves?
                if not self._movable():
                    return

    async def _drain(self) -> None:
        while True:
            try:
                await self._membership.drain()
                return
            except StoreUnavailable as error:
                log.warning("shards_not_moved", error=str(error))
                await trio.sleep(AGAIN_S)

    async def _move_some(self, most: int) -> bool:
        """At most so many. False when there was nothing to be moved."""
        movable = self._movable()
        if not movable:
            self._system.forget_survey()
            return False
        batch = {shard: movable[shard] for shard in list(movable)[:most]}
        if not batch:
            return True  # it rests
        began = trio.current_time()
        await self._prepare(movable, most)
        kept: set[int] = set()
        within_s = min(max(ENTITIES_S, COMMITS * self._commit_s()), ENTITIES_MAX_S)
        async with trio.open_nursery() as nursery:  # owner: this call, which is as long as its slowest entity
            for part in self._parts(batch):
                through = trio.Event()
                nexts = {shard: batch[shard] for shard in part}
                nursery.start_soon(self._hand_over, nexts, within_s, kept, through)
                with trio.move_on_after(STRAGGLES_S):
                    await through.wait()
        if kept:
            log.warning("shards_kept", shards=len(kept))
        took_s = trio.current_time() - began
        membership = self._membership
        gone = Counter(node for shard, node in batch.items() if membership.owner_of(shard) == node)
        for following, count in gone.items():
            membership.moves.note("moved", count, former=membership.incarnation, owner=following, seconds=took_s)
        log.info("shards_moved", shards=len(batch) - len(kept), seconds=round(took_s, 3))
        return True

    async def _prepare(self, movable: Collection[int], most: int) -> None:
        """The first `most` are about to go, and as many others after them: theirs is the time until then."""
        await self._system.survey()
        order = list(movable)
        batch, following = order[:most], order[most : 2 * most]
        unprepared = [shard for shard in batch if shard not in self._prepared]
        if await self._system.prepare(unprepared):
            self._prepared_at = trio.current_time()
        with trio.move_on_after(PREPARED_S):
            await trio.sleep_until(self._prepared_at + PREPARED_S / 2)  # with what is in flight, which lands first
            await self._system.prepared()
        self._prepared = set(following)
        if await self._system.prepare(following):
            self._prepared_at = trio.current_time()

    def _movable(self) -> dict[int, int]:
        """What is to be another's: by shard, whose."""
        late = self._system.departing.late
        return {shard: node for shard, node in self._membership.unwanted().items() if shard not in late}

    def _late(self) -> bool:
        """Is there something that is to be another's as soon as somebody has ended?"""
        late = self._system.departing.late
        return bool(late) and any(shard in late for shard in self._membership.unwanted())

    def _parts(self, batch: Collection[int]) -> Iterator[list[int]]:
        """All in which nobody is awake, then the others, as many entities at once as are soon through."""
        still = [shard for shard in batch if not self._system.awake_in(shard)]
        if still:
            yield still
        rest = sorted(set(batch) - set(still))
        while rest:
            part = self._slices.next({shard: self._system.awake_in(shard) for shard in rest})
            rest = rest[len(part) :]
            began = trio.current_time()
            yield part
            self._slices.took(trio.current_time() - began)

    async def _hand_over(self, nexts: Mapping[int, int], within_s: float, kept: set[int], through: trio.Event) -> None:
        """Adds to `kept` what stays here, since its entities have not ended in time."""
        membership, system = self._membership, self._system
        left = membership.begin_leaving(nexts)
        try:
            await system.depart(left)
            until = trio.current_time() + within_s
            while left:
                ready = system.departing.empty(left)
                if ready:
                    left -= await self._give({shard: nexts[shard] for shard in ready})
                    continue
                with trio.move_on_at(until) as scope:
                    await system.departing.fewer()
                if scope.cancelled_caught:
                    break
        finally:  # what is left is ours, and goes on being so
            membership.keep(left)
            system.departed(left)
            kept |= left
            through.set()

    async def _reclaim(self, shards: Collection[int]) -> None:
        while True:
            await trio.sleep(AGAIN_S)
            with suppress(StoreUnavailable):
                await self._membership.reclaim(shards)
                return

    async def _give(self, nexts: Mapping[int, int]) -> set[int]:
        """The shards of which it is decided now whose they are."""
        membership, system = self._membership, self._system
        try:
            system.departed(await membership.give(nexts))
        except StoreUnavailable as error:  # perhaps they are given, or will be: the rows will tell, once it is neither
            log.warning("shards_not_moved", error=str(error))
            await self._reclaim(nexts)
        undecided = [shard for shard in nexts if membership.is_leaving(shard)]
        if undecided:
            await membership.looked()
            # Whoever was to have them may be gone. What is ours still is tried again by another batch.
            membership.keep(undecided)
        gone = [shard for shard in nexts if shard in system.departing]
        system.departed(gone)
        return set(nexts)
