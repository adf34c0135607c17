"""Membership: this node among others, from its start to its end. Its lease, its shards, and what it hears of the rest.

A node that is alone owns all shards; one that comes to its database waits until it is gone, by proof or by its lease,
and gives up when it sees that it lives. Nodes that share a database share out its shards, as `placement.py` has it:
each takes what is nobody's and is to be its own, and hands over what is to be another's (`moving.py`).
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

import structlog
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Member, Newcomer, Owned, Referee
from greenroom.supervisors.cluster.clocks import ClockDiffers, Clocks
from greenroom.supervisors.cluster.ends import Ends
from greenroom.supervisors.cluster.evidence import has_ended
from greenroom.supervisors.cluster.holdings import Holdings
from greenroom.supervisors.cluster.moves import Moves
from greenroom.supervisors.cluster.placement import NOBODY, Placement
from greenroom.supervisors.cluster.releases import Releases
from greenroom.supervisors.cluster.witness import Witness

log = structlog.get_logger("greenroom.membership")

T = TypeVar("T")

WAIT_S = 0.1  # between two looks of a node that starts at those who are in its way
LOOKS = 5  # at the rows, in the time of a lease: each second for 5 s
LOOK_GAP_S = 0.05  # at least, between two looks, however many ask for them
OVERLAP_S = 15.0  # a change may be visible so long after the time that it bears: longer than a statement may take
WHOLE_S = 60.0  # between two readings of all shards, by which is found what the others miss
RENEWALS = 10 / 3  # in the time of a lease: every 1.5 s for 5 s
MARGIN = 0.2  # of a lease, by which a node stops to rely on it before its end: clocks may go at other rates
LEAVE_S = 2.0  # what saying goodbye may take; without it the lease runs out


class AnotherNode(StoreUnavailable):
    """Another node serves this database, and one of the two is to be alone."""


class DeclaredDead(Exception):
    """Others could not see this node alive, and its entities are theirs now: it must not go on."""


class Membership:
    """The kernel's ownership. `join` before the kernel runs, `open` once it does, `leave` when it has stopped; and
    `run` from the first to the last."""

    def __init__(
        self,
        referee: Referee,
        newcomer: Newcomer,
        *,
        shards: int,
        lease_s: float,
        releases: Releases | None = None,
        clock: Callable[[], float] | None = None,
        ended: Callable[[str, str], bool] = has_ended,
        moved: Callable[[Collection[int]], None] = lambda shards: None,
        gone: Callable[[int], None] = lambda node: None,
        announce: Callable[[int, Mapping[int, int]], None] = lambda node, terms: None,
        moves: Moves | None = None,
    ) -> None:
        """`releases` is of the newcomer's own. `clock` gives Unix seconds, to be compared. `ended`: is it certain that
        the process, named by host and process, runs no more? `moved` hears of shards that have other owners than was
        known here before, and `gone` of nodes that are no more. `announce` is to tell all other nodes, before anything
        that is sent to them later, that these shards are that node's under these terms. None of them may raise.
        `moves` notes what this node does."""
        self.valid_until = float("-inf")
        self._referee = referee
        self._newcomer = newcomer
        self._lease_s = lease_s
        self._ended = ended
        self._moved = moved
        self._gone = gone
        self._announce = announce
        self.moves = moves or Moves()
        self._me = referee.incarnation
        self._holdings = Holdings(self._me, shards)
        self._placement = Placement(shards)
        self._releases = releases or Releases()
        self._clocks = Clocks(clock)
        self._witness = Witness(lease_s)
        self._members: list[Member] = []
        self._unexpected: set[int] = set()  # shards given to this node by one that knows more of who there is
        self._is_open = False
        self._has_left = False
        self._renewed = trio.Event()
        self._changed = trio.Event()
        self._wanted = trio.Event()  # a look is
        self._looking = trio.Lock()
        self._looks = 0  # how many have begun
        self._looked = 0  # the number of the last that has ended well
        self._has_looked = trio.Event()
        self._whole_at = float("-inf")  # when all shards were read last
        self._since: float | None = None  # the newest change that was read, on the referee's clock
        self._since_at = 0.0  # when it was first read
        self._missed: set[tuple[int, int, int]] = set()  # see `_misses`, as of the last look
        self._is_settled = False  # whatever bears a time before it can be seen by now, and has been read

    # The kernel's questions: see Ownership.

    def owns(self, entity: str) -> bool:
        """May this node wake it?"""
        return self._holdings.owns(entity)

    def term(self, entity: str) -> int:
        """The upper half of the entity's fence. Raises: NotOwner."""
        return self._holdings.term(entity)

    def owner(self, entity: str) -> int | None:
        """The node that owns it, as far as is known here."""
        return self._holdings.owner(entity)

    def shard(self, entity: str) -> int:
        """All entities of a shard have one owner."""
        return self._holdings.shard(entity)

    def shards(self) -> frozenset[int] | None:
        """Those that are this node's; None: all. Another object after each change, and only then."""
        return self._holdings.shards()

    def lost(self, entity: str) -> bool:
        """A claim of it was refused."""
        if self._newcomer.is_alone:
            return False  # there is nobody else, and nobody here reads the rows again
        if not self._holdings.lost(self._holdings.shard(entity)):
            return False
        self._whole_at = float("-inf")
        self.look_soon()
        return True

    async def fresh(self) -> None:
        """Return when the lease may be relied on."""
        while trio.current_time() > self.valid_until:
            await self._renewed.wait()

    # What others in this node ask.

    @property
    def incarnation(self) -> int:
        return self._me

    def members(self) -> list[Member]:
        """Those that are not dead, this one too, as of the last look; the oldest first."""
        return self._members

    def owned(self) -> int:
        """How many shards are this node's, those with which it is about to part too."""
        return self._holdings.owned

    def owner_of(self, shard: int) -> int | None:
        """As `owner`."""
        return self._holdings.owner_of(shard)

    def hear(self, owner: int, terms: Mapping[int, int]) -> None:
        """Somebody has said that these shards are that node's, under these terms. What is older than what is known is
        not heeded."""
        changed = self._holdings.hear(owner, terms)
        if owner == self._me:
            self._unexpected |= {shard for shard in changed if self._placement.desired[shard] != self._me}
        self._tell(changed)

    def look_soon(self) -> None:
        """Something here has proven old: have the rows read, though not more often than each LOOK_GAP_S."""
        self._wanted.set()

    async def looked(self) -> None:
        """`look_soon`, and return when that has been done. Not while the referee can't be reached."""
        next_look = self._looks + 1
        self.look_soon()
        while self._looked < next_look:
            await self._has_looked.wait()

    # The node's life.

    async def join(self) -> None:
        """Have a lease; where this node is alone, own every shard too. Raises: AnotherNode, ShardsDiffer, ClockDiffers,
        DeclaredDead, StoreUnavailable."""
        referee, is_alone = self._referee, self._newcomer.is_alone
        waits_since = trio.current_time()
        await referee.agree(len(self._holdings))
        began = trio.current_time()
        await referee.join(self._newcomer, lease_s=self._lease_s)
        self._rely_since(began)
        await self._hear_releases()
        waits = False
        while True:
            others, renewed = await self._see()
            if not is_alone:
                await self._check_clock()
            # A node that is alone is in the way of all, and all are in the way of one that wants to be.
            in_the_way = [one for one in others if one.shards and (is_alone or one.is_alone)]
            for one in in_the_way:
                if one.incarnation in renewed:
                    await self._give_up(one)
            if is_alone:
                taken = await referee.take("start")
                self._holdings.hear(self._me, taken)
                took_s = trio.current_time() - waits_since
                self.moves.note("start", len(taken), former=None, owner=self._me, seconds=took_s)
                if len(self._holdings.mine) == len(self._holdings):
                    return
                if not others:
                    mine = len(self._holdings.mine)
                    raise StoreUnavailable(f"of {len(self._holdings)} shards only {mine} are to be had")
            elif not in_the_way:
                if self._releases.are_news_to(others):  # they look, and refuse from then on what they can't read
                    await trio.sleep(1.5 * self._lease_s / LOOKS)
                return
            if not waits and in_the_way:
                waits = True
                log.info("node_waits", **{"for": in_the_way[0].url, "lease_s": round(in_the_way[0].left_s, 1)})
            await trio.sleep(WAIT_S)
            if not await self._renew():
                raise DeclaredDead("another node has declared this one dead while it started")

    async def _check_clock(self) -> None:
        try:
            self._clocks.check()
        except ClockDiffers:
            await self._referee.withdraw()
            raise

    async def _give_up(self, before: Member) -> None:
        if self._holdings.mine:
            await self._referee.bury(self._me, is_proven=True, why="gave up")
        else:
            await self._referee.withdraw()
        how = "one at a time can" if before.is_alone else "this one would be alone (GREENROOM_NODES)"
        raise AnotherNode(f"the node at {before.url} serves this database, and {how}: stop that one first")

    async def open(self) -> None:
        """This node can do its part: take what is nobody's, and let others hand over what is to be its own. Raises:
        AnotherNode, DeclaredDead, StoreUnavailable."""
        if not self._newcomer.is_alone:
            if not await self._referee.enter("up"):
                raise DeclaredDead("another node has declared this one dead while it started")
            self._is_open = True
            await self._look()
            for one in self._members:
                if one.is_alone and one.shards:  # it has come since `join`, when nothing was in its way
                    await self._give_up(one)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Renew the lease, and mind the others, until cancelled. While the database does not answer the lease may run
        out; it is renewed all the same, late, unless somebody has declared this node dead meanwhile. Raises:
        DeclaredDead, alone or in a group."""
        task_status.started()
        if self._newcomer.is_alone:
            await self._renew_on()
            return
        async with trio.open_nursery() as nursery:  # owner: this call; whatever a part raises ends the node
            nursery.start_soon(self._renew_on)
            nursery.start_soon(self._look_on)
            nursery.start_soon(Ends(others=self._others, ended=self._ended, seen=self.look_soon).run)

    async def leave(self) -> None:
        """Own nothing any more. Called when nothing is written any more; what fails is left to the lease."""
        self._is_open = False
        self._has_left = True
        self.valid_until = float("-inf")  # whoever runs yet answers nothing that another may answer otherwise by now
        left = self._placement.without({self._me}, self._holdings.shards_of(self._me))
        self._holdings.clear()
        with trio.move_on_after(LEAVE_S, shield=True) as scope:
            try:
                rows = await self._referee.bury(self._me, is_proven=True, why="stopped", nexts=left)
                for owner, terms in _by_owner(rows or ()).items():
                    self._announce(owner, terms)
            except StoreUnavailable as error:
                log.warning("node_not_signed_off", error=str(error))
        if scope.cancelled_caught:
            log.warning("node_not_signed_off", error=f"no answer within {LEAVE_S:g} s")

    # The lease.

    def _rely_since(self, began: float) -> None:
        """A renewal that began then has succeeded: the lease began no earlier."""
        if self._has_left:
            return
        self.valid_until = began + self._lease_s * (1 - MARGIN)
        self._renewed.set()
        self._renewed = trio.Event()

    async def _renew(self) -> bool:
        began = trio.current_time()
        if not await self._referee.renew(self._lease_s):
            return False
        self._rely_since(began)
        return True

    async def _renew_on(self) -> None:
        every_s = self._lease_s / RENEWALS
        while True:
            await trio.sleep(every_s)
            alive = True
            with trio.move_on_after(every_s) as scope:  # then on another connection: this one may be dead
                try:
                    alive = await self._renew()
                except StoreUnavailable as error:
                    log.warning("lease_not_renewed", error=str(error))
            if scope.cancelled_caught:
                log.warning("lease_not_renewed", error=f"no answer within {every_s:g} s")
            if self._has_left:
                return  # by our own word, which a renewal may hear of before we do
            if not alive:
                self.valid_until = float("-inf")
                log.error("node_declared_dead")
                raise DeclaredDead("another node has declared this one dead, and owns its entities")

    # The others.

    def _others(self) -> list[Member]:
        return [one for one in self._members if one.incarnation != self._me]

    async def _see(self) -> tuple[list[Member], set[int]]:
        """The others, and those of them that have renewed their leases since they were seen before. Who is dead is
        buried."""
        self._clocks.asking()
        members = await self._referee.members()
        self._clocks.answered(members)
        now = trio.current_time()
        others = [one for one in members if one.incarnation != self._me]
        renewed = self._witness.saw(others, now)
        proven = {one.incarnation for one in others if self._ended(one.host, one.process)}
        dead = [one for one in others if one.incarnation in proven or self._witness.may_bury(one, now)]
        buried: list[int] = []
        changed: list[Owned] = []
        failure: StoreUnavailable | None = None
        for one in dead:
            try:
                rows = await self._bury(one, is_proven=one.incarnation in proven, besides=dead)
            except StoreUnavailable as error:  # what others had is somebody's already: that is to be told
                failure = error
                break
            if rows is not None:
                buried.append(one.incarnation)
                changed += rows
            if rows is not None or one.incarnation in proven:  # by another, meanwhile
                members.remove(one)
        before, self._members = self._others(), members
        self._place()  # before anybody hands over what is to be on one that is no more
        for owner, terms in _by_owner(changed).items():
            self._announce(owner, terms)
        self._tell(self._holdings.read(changed))
        present = {one.incarnation for one in members}
        for one in before:
            if one.incarnation not in present:
                self._gone(one.incarnation)
        for incarnation in buried:
            await self._end_sessions(incarnation)
        if failure is not None:
            raise failure
        return self._others(), renewed

    async def _bury(self, member: Member, *, is_proven: bool, besides: Collection[Member]) -> list[Owned] | None:
        """What it had, which is theirs at once who are to have it without all those. None: it was not us."""
        node = member.incarnation
        nexts = self._placement.without({one.incarnation for one in besides}, self._holdings.shards_of(node))
        why = "its process has ended" if is_proven else "its lease ran out"
        began = trio.current_time()
        rows = await self._referee.bury(node, is_proven=is_proven, why=why, nexts=nexts)
        if rows is not None:
            took_s = trio.current_time() - began
            for owner, count in Counter(row.owner for row in rows).items():
                self.moves.note(why, count, former=node, owner=owner, seconds=took_s)
            log.info("node_buried", node=f"{node:016x}", url=member.url, why=why, shards=len(rows))
        return rows

    async def _end_sessions(self, node: int) -> None:
        try:
            await self._referee.end_sessions(node)
        except StoreUnavailable as error:  # they end without us, later
            log.warning("sessions_not_ended", node=f"{node:016x}", error=str(error))

    async def _look_on(self) -> None:
        while True:
            await self._answered(self._look)
            await trio.sleep(LOOK_GAP_S)
            with trio.move_on_after(self._next_look_s()):
                await self._wanted.wait()

    def _next_look_s(self) -> float:
        """Seconds: each LOOKS-th of a lease, when somebody's would run out, and often while one has."""
        every_s = self._lease_s / LOOKS
        ends_s = [one.left_s for one in self._members if one.incarnation != self._me]
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

    async def _look(self) -> None:
        """At all rows. Take what is nobody's and is to be ours. Raises: StoreUnavailable."""
        async with self._looking:
            self._wanted = trio.Event()
            number = self._looks = self._looks + 1
            await self._see()
            await self._hear_releases()
            await self._read()
            missed, self._missed = self._missed, self._misses()
            if missed & self._missed:  # not only since something changed while we read
                self._whole_at = float("-inf")
                await self._read()
            elif self._missed:
                self._wanted.set()
            if self._unexpected:  # who there is has been looked at since
                self._unexpected.clear()
                self._note_change()
            await self._take()
            self._looked = number
            self._has_looked.set()
            self._has_looked = trio.Event()

    async def _hear_releases(self) -> None:
        """Before anything is taken: who was of a newer one may just have died."""
        if self._newcomer.release:
            self._releases.hear(await self._referee.releases(self._releases.known))

    async def _take(self) -> None:
        alive = {one.incarnation for one in self._members}
        free = [
            shard
            for shard, desired in enumerate(self._placement.desired)
            if desired == self._me and ((owner := self._holdings.owner_of(shard)) is None or owner not in alive)
        ]
        if free and self._is_open:
            began = trio.current_time()
            taken = await self._referee.take("takeover", shards=free)
            if taken:
                log.info("shards_taken", shards=len(taken))
                self._announce(self._me, taken)
            took_s = trio.current_time() - began
            self.moves.note("takeover", len(taken), former=None, owner=self._me, seconds=took_s)
            self._tell(self._holdings.hear(self._me, taken))

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
        self._tell(self._holdings.read(rows))

    def _misses(self) -> set[tuple[int, int, int]]:
        """The nodes that own another number of shards than we know of: with both numbers. Then changes bore times
        before those that we asked for, as where the referee's clock was set back; or came while we read."""
        known = self._holdings.counts()
        return {
            (one.incarnation, one.shards, count)
            for one in self._members
            if (count := known.get(one.incarnation, 0)) != one.shards
        }

    def _place(self) -> None:
        """Over those who are up: whoever comes or goes is given nothing."""
        up = [one for one in self._members if one.state == "up" and not one.is_alone]
        behind = self._releases.give_way(up)
        capacities = {one.incarnation: one.capacity for one in up if one.incarnation not in behind}
        if not self._is_open:
            capacities.pop(self._me, None)
        if self._placement.place(capacities):
            self._note_change()

    def _tell(self, shards: Collection[int]) -> None:
        if shards:
            self._moved(shards)
            self._note_change()

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # Handing over: see moving.py.

    @property
    def count(self) -> int:
        """How many shards there are."""
        return len(self._holdings)

    async def changed(self) -> None:
        """Return when `unwanted` or `take_overtaken` may give something else."""
        await self._changed.wait()

    def unwanted(self) -> dict[int, int]:
        """Shards of this node that are to be another's: by shard, whose. What it was given though it is to be another's
        it keeps until it has looked who there is: that one may have died."""
        desired, unexpected = self._placement.desired, self._unexpected
        return {
            shard: desired[shard]
            for shard in self._holdings.mine
            if desired[shard] != self._me and desired[shard] != NOBODY and shard not in unexpected
        }

    def take_overtaken(self) -> set[int]:
        """Shards that have been another's without having been handed over, each once."""
        return self._holdings.take_overtaken()

    async def drain(self) -> None:
        """Be given no more, and know who there is: one that has just come may be all who can be given something.
        Raises: StoreUnavailable."""
        self._is_open = False
        await self._referee.enter("draining")
        await self._look()

    def begin_leaving(self, shards: Collection[int]) -> set[int]:
        """Wake nobody in these any more; gives those that are ours."""
        return self._holdings.begin_leaving(shards)

    def keep(self, shards: Collection[int]) -> None:
        """Those of them that are still ours are not handed over."""
        self._holdings.keep(shards)

    async def give(self, shards: Mapping[int, int]) -> list[int]:
        """Have others own shards that are leaving: by shard, who. Gives those that are theirs now. Raises:
        StoreUnavailable; then it may have come about."""
        leaving = self._holdings.leaving
        asked = {shard: (leaving[shard], following) for shard, following in shards.items() if shard in leaving}
        terms = await self._referee.give(asked, "moved")
        given: dict[int, dict[int, int]] = {}
        for shard, term in terms.items():
            given.setdefault(shards[shard], {})[shard] = term
        for following, theirs in given.items():
            self._announce(following, theirs)
            self._tell(self._holdings.hear(following, theirs))
        return list(terms)

    async def reclaim(self, shards: Collection[int]) -> None:
        """Have those of them that are ours and leaving be ours under new terms: what was asked of the referee before,
        and may be under way yet, gives them away no more. Raises: StoreUnavailable."""
        leaving = self._holdings.leaving
        ours = {shard: (leaving[shard], self._me) for shard in shards if shard in leaving}
        terms = await self._referee.give(ours, "kept")
        self._announce(self._me, terms)
        self._tell(self._holdings.hear(self._me, terms))

    def is_leaving(self, shard: int) -> bool:
        """Is it ours still, and being handed over?"""
        return shard in self._holdings.leaving


def _by_owner(rows: Collection[Owned]) -> dict[int, dict[int, int]]:
    """Terms by node, and shard; without those that are nobody's."""
    found: dict[int, dict[int, int]] = {}
    for row in rows:
        if row.owner is not None:
            found.setdefault(row.owner, {})[row.shard] = row.term
    return found
