"""Looking: what this node sees of the others and of all shards in the referee's rows, and what is to follow at once.

Whoever is seen to be dead is buried, and what nobody has and is to be this node's is taken. All rows are read seldom:
else those alone that have changed since, which may be visible only some time after the time that they bear.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

import structlog
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Member, Owned, Referee, State
from greenroom.supervisors.cluster.clocks import Clocks
from greenroom.supervisors.cluster.holdings import Holdings
from greenroom.supervisors.cluster.moves import Moves
from greenroom.supervisors.cluster.placement import Placement
from greenroom.supervisors.cluster.reach import Reach
from greenroom.supervisors.cluster.releases import Releases
from greenroom.supervisors.cluster.witness import Witness

log = structlog.get_logger("greenroom.membership")

T = TypeVar("T")

LOOKS = 5  # at the rows, in the time of a lease: each second for 5 s
LOOK_GAP_S = 0.05  # at least, between two looks, however many ask for them
OVERLAP_S = 15.0  # a change may be visible so long after the time that it bears: longer than a statement may take
WHOLE_S = 60.0  # between two readings of all shards, by which is found what the others miss


class Looking:
    """Of one node that shares its database; one that is alone looks only while it starts."""

    def __init__(
        self,
        referee: Referee,
        *,
        lease_s: float,
        holdings: Holdings,
        placement: Placement,
        releases: Releases,
        clocks: Clocks,
        moves: Moves,
        ended: Callable[[str, str], bool],
        changed: Callable[[Collection[int]], None],
        placed: Callable[[], None],
        gone: Callable[[int], None],
        linked: Callable[[], Collection[int]],
        announce: Callable[[int, Mapping[int, int]], None],
        has_release: bool,
        reach: Reach,
    ) -> None:
        """See Membership. `changed` hears of shards that have other owners than was known, `placed` when it is time to
        see anew what is to be whose. `has_release`: this node has said what it knows."""
        self.members: list[Member] = []  # those that are not dead, this one too; the oldest first
        self.takes_part = False  # whatever is to be this node's may be given to it
        self.entered: State | None = None  # what this node has said of itself since it joined
        self._read_as: State | None = None  # `entered`, once it has been read
        self._referee = referee
        self._me = referee.incarnation
        self._lease_s = lease_s
        self._holdings = holdings
        self._placement = placement
        self._releases = releases
        self._clocks = clocks
        self._moves = moves
        self._ended = ended
        self._changed = changed
        self._placed = placed
        self._gone = gone
        self._linked = linked
        self._announce = announce
        self._has_release = has_release
        self._reach = reach
        self._witness = Witness(lease_s)
        self._unexpected: set[int] = set()  # shards given to this node by one that knows more of who there is
        self._wanted = trio.Event()  # a look is
        self._turn = trio.Lock()
        self._looks = 0  # how many have begun
        self._looked = 0  # the number of the last that has ended well
        self._has_looked = trio.Event()
        self._whole_at = float("-inf")  # when all shards were read last
        self._since: float | None = None  # the newest change that was read, on the referee's clock
        self._since_at = 0.0  # when it was first read
        self._missed: set[tuple[int, int, int]] = set()  # see `_misses`, as of the last look
        self._is_settled = False  # whatever bears a time before it can be seen by now, and has been read

    def others(self) -> list[Member]:
        return [one for one in self.members if one.incarnation != self._me]

    def soon(self) -> None:
        """Something here has proven old: have the rows read, though not more often than each LOOK_GAP_S."""
        self._wanted.set()

    def whole_soon(self) -> None:
        """The same, and all of them."""
        self._whole_at = float("-inf")
        self.soon()

    async def looked(self) -> None:
        """`soon`, and return when that has been done. Not while the referee can't be reached."""
        next_look = self._looks + 1
        self.soon()
        while self._looked < next_look:
            await self._has_looked.wait()

    def given(self, shards: Collection[int]) -> None:
        """Somebody has said that these are this node's now."""
        self._unexpected |= {shard for shard in shards if self._placement.desired[shard] != self._me}

    def is_unexpected(self, shard: int) -> bool:
        """Is it this node's by the word of one that may know more of who there is?"""
        return shard in self._unexpected

    # Who there is.

    async def see(self) -> tuple[list[Member], set[int]]:
        """The others, and those of them that have renewed their leases since they were seen before. Who is dead is
        buried. Raises: StoreUnavailable."""
        self._clocks.asking()
        # One that has come and gone between two looks is known by its link alone. It joined before it had one, so
        # whoever is not among the members that are read after this is gone.
        known = {*self._linked()}
        members = await self._referee.members()
        self._clocks.answered(members)
        now = trio.current_time()
        others = [one for one in members if one.incarnation != self._me]
        renewed = self._witness.saw(others, now)
        certain = {one.incarnation: why for one in others if (why := self._why_dead(one)) is not None}
        dead = [one for one in others if one.incarnation in certain or self._witness.may_bury(one, now)]
        buried: list[int] = []
        changed: list[Owned] = []
        failure: StoreUnavailable | None = None
        for one in dead:
            try:
                rows = await self._bury(one, certain.get(one.incarnation), besides=dead)
            except StoreUnavailable as error:  # what others had is somebody's already: that is to be told
                failure = error
                break
            if rows is not None:
                buried.append(one.incarnation)
                changed += rows
            if rows is not None or one.incarnation in certain:  # by another, meanwhile
                members.remove(one)
        known.update(one.incarnation for one in self.others())
        self.members = members
        self._place()  # before anybody hands over what is to be on one that is no more
        for owner, terms in by_owner(changed).items():
            self._announce(owner, terms)
        self._changed(self._holdings.read(changed))
        for node in known - {one.incarnation for one in members}:
            self._witness.gone(node)
            self._gone(node)
        for incarnation in buried:
            await self._end_sessions(incarnation)
        if failure is not None:
            raise failure
        return self.others(), renewed

    def _why_dead(self, member: Member) -> str | None:
        """Why it is, whatever its lease; None: that is not certain."""
        if self._ended(member.host, member.process):
            return "its process has ended"
        return "it was declared dead before" if self._witness.is_gone(member.incarnation) else None

    async def _bury(self, member: Member, certain: str | None, *, besides: Collection[Member]) -> list[Owned] | None:
        """What it had, which is theirs at once who are to have it without all those. `certain`: why it is dead, where
        its lease need not have run out. None: it was not us."""
        node = member.incarnation
        nexts = self._placement.without({one.incarnation for one in besides}, self._holdings.shards_of(node))
        why = certain or "its lease ran out"
        began = trio.current_time()
        rows = await self._referee.bury(node, is_proven=certain is not None, why=why, nexts=nexts)
        if rows is not None:
            took_s = trio.current_time() - began
            for owner, count in Counter(row.owner for row in rows).items():
                self._moves.note(why, count, former=node, owner=owner, seconds=took_s)
            log.info("node_buried", node=f"{node:016x}", url=member.url, why=why, shards=len(rows))
        return rows

    async def _end_sessions(self, node: int) -> None:
        try:
            await self._referee.end_sessions(node)
        except StoreUnavailable as error:  # they end without us, later
            log.warning("sessions_not_ended", node=f"{node:016x}", error=str(error))

    def _place(self) -> None:
        """Over those who are up: whoever comes or goes is given nothing."""
        up = [one for one in self.members if one.state == "up" and not one.is_alone]
        without = self._releases.give_way(up) | self._reach.heard(up, trio.current_time())
        capacities = {one.incarnation: one.capacity for one in up if one.incarnation not in without}
        if not self.takes_part:
            capacities.pop(self._me, None)
        if self._placement.place(capacities):
            self._placed()

    async def hear_releases(self) -> None:
        """Before anything is taken: who was of a newer one may just have died. Raises: StoreUnavailable."""
        if self._has_release:
            self._releases.hear(await self._referee.releases(self._releases.known))

    # Looks.

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._answered(self.look)
            await trio.sleep(LOOK_GAP_S)
            with trio.move_on_after(self._next_s()):
                await self._wanted.wait()

    def _next_s(self) -> float:
        """Seconds: each LOOKS-th of a lease, when somebody's would run out, and often while one has."""
        every_s = self._lease_s / LOOKS
        ends_s = [one.left_s for one in self.members if one.incarnation != self._me]
        return min([every_s, *(left_s if left_s > 0 else every_s / 4 for left_s in ends_s)])

    async def _answered(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """What the referee says; None when it can't be reached, or not in time."""
        within_s = self._lease_s / 2
        error = f"no answer within {within_s:g} s"
        with trio.move_on_after(within_s):
            try:
                return await ask()
            except StoreUnavailable as failure:
                error = str(failure)
        self._witness.lost_sight()
        log.warning("members_not_read", error=error)
        return None

    async def look(self) -> None:
        """At all rows. Take what is nobody's and is to be ours. Raises: StoreUnavailable."""
        async with self._turn:
            self._wanted = trio.Event()
            number = self._looks = self._looks + 1
            await self.see()
            await self._say_again()
            await self.hear_releases()
            await self._read()
            missed, self._missed = self._missed, self._misses()
            if missed & self._missed:  # not only since something changed while we read
                self._whole_at = float("-inf")
                await self._read()
            elif self._missed:
                self._wanted.set()
            if self._unexpected:  # who there is has been looked at since
                self._unexpected.clear()
                self._placed()
            await self._take()
            self._looked = number
            self._has_looked.set()
            self._has_looked = trio.Event()

    async def _say_again(self) -> None:
        """A failover may have forgotten that this node is up, or leaves, and who is on its way has nothing. What was
        never read may be on its way, or not have been said at all, and who enters it says it until it is. Raises:
        StoreUnavailable."""
        found = next((one.state for one in self.members if one.incarnation == self._me), None)
        if found == self.entered:
            self._read_as = found
        elif found is not None and self.entered is not None and self._read_as == self.entered:
            log.warning("state_forgotten", state=self.entered)
            await self._referee.enter(self.entered)
            await self.see()

    async def _read(self) -> None:
        now = trio.current_time()
        since = None
        if self._since is not None and now - self._whole_at < WHOLE_S:
            # Of what changed hands last nothing is read twice for longer than another change may yet come before it.
            since = self._since if self._is_settled else self._since - OVERLAP_S
        self._holdings.begin_reading()
        rows = await self._referee.owned(since=since)
        if since is None:
            self._whole_at = now
        newest = max((row.since for row in rows), default=self._since)
        if newest != self._since:
            self._since, self._since_at, self._is_settled = newest, now, False
        elif now - self._since_at > OVERLAP_S:
            self._is_settled = True
        self._changed(self._holdings.read(rows))

    def _misses(self) -> set[tuple[int, int, int]]:
        """The nodes that own another number of shards than we know of: with both numbers. Then changes bore times
        before those that we asked for, as where the referee's clock was set back; or came while we read."""
        known = self._holdings.counts()
        return {
            (one.incarnation, one.shards, count)
            for one in self.members
            if (count := known.get(one.incarnation, 0)) != one.shards
        }

    async def _take(self) -> None:
        alive = {one.incarnation for one in self.members}
        free = [
            shard
            for shard, desired in enumerate(self._placement.desired)
            if desired == self._me and ((owner := self._holdings.owner_of(shard)) is None or owner not in alive)
        ]
        if free and self.takes_part:
            began = trio.current_time()
            taken = await self._referee.take("takeover", shards=free)
            if taken:
                log.info("shards_taken", shards=len(taken))
                self._announce(self._me, taken)
            took_s = trio.current_time() - began
            self._moves.note("takeover", len(taken), former=None, owner=self._me, seconds=took_s)
            self._changed(self._holdings.hear(self._me, taken))


def by_owner(rows: Collection[Owned]) -> dict[int, dict[int, int]]:
    """Terms by node, and shard; without those that are nobody's."""
    found: dict[int, dict[int, int]] = {}
    for row in rows:
        if row.owner is not None:
            found.setdefault(row.owner, {})[row.shard] = row.term
    return found
