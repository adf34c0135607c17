"""Membership: this node among others, from its start to its end. Its shards, and what it hears of the rest.

A node that is alone owns all shards; one that comes to its database waits until it is gone, by proof or by its lease,
and gives up when it sees that it lives. Nodes that share a database share out its shards, as `placement.py` has it:
each takes what is nobody's and is to be its own (`looking.py`), and hands over what is to be another's (`moving.py`).
"""

from collections.abc import Callable, Collection, Mapping

import structlog
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Member, Newcomer, Referee
from greenroom.supervisors.cluster.clocks import ClockDiffers, Clocks
from greenroom.supervisors.cluster.ends import Ends
from greenroom.supervisors.cluster.evidence import has_ended
from greenroom.supervisors.cluster.holdings import Holdings
from greenroom.supervisors.cluster.lease import RENEWALS, DeclaredDead, Lease
from greenroom.supervisors.cluster.looking import LOOKS, Looking, by_owner
from greenroom.supervisors.cluster.moves import Moves
from greenroom.supervisors.cluster.placement import NOBODY, Placement
from greenroom.supervisors.cluster.reach import Reach
from greenroom.supervisors.cluster.releases import Releases

log = structlog.get_logger("greenroom.membership")

WAIT_S = 0.1  # between two looks of a node that starts at those who are in its way
LEAVE_S = 2.0  # what saying goodbye may take; without it the lease runs out


class AnotherNode(StoreUnavailable):
    """Another node serves this database, and one of the two is to be alone."""


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
        unreached: Callable[[], Collection[int]] = tuple,
        linked: Callable[[], Collection[int]] = tuple,
    ) -> None:
        """`releases` is of the newcomer's own. `clock` gives Unix seconds, to be compared. `ended`: is it certain that
        the process, named by host and process, runs no more? `moved` hears of shards that have other owners than was
        known here before, and `gone` of nodes that are no more. `announce` is to tell all other nodes, before anything
        that is sent to them later, that these shards are that node's under these terms. None of them may raise.
        `moves` notes what this node does. `unreached`: the nodes that can't be spoken to just now, itself where none
        can. `linked`: those to which there are links, of which each joined before."""
        self.valid_until = float("-inf")  # an attribute, for cells look at it with each burst
        self.moves = moves or Moves()
        self._referee = referee
        self._newcomer = newcomer
        self._lease_s = lease_s
        self._ended = ended
        self._moved = moved
        self._announce = announce
        self._me = referee.incarnation
        self._holdings = Holdings(self._me, shards)
        self._placement = Placement(shards)
        self._releases = releases or Releases()
        self._clocks = Clocks(clock)
        self._changed = trio.Event()
        self._refused = trio.Event()  # a claim was, though this node is alone
        self._reach = reach = Reach(lease_s / RENEWALS)
        self._lease = Lease(
            referee,
            lease_s=lease_s,
            relied=self._relied,
            unreached=lambda: reach.saw(unreached(), trio.current_time()),
        )
        self.fresh = self._lease.fresh  # see Ownership
        self._looking = Looking(
            referee,
            lease_s=lease_s,
            holdings=self._holdings,
            placement=self._placement,
            releases=self._releases,
            clocks=self._clocks,
            moves=self.moves,
            ended=ended,
            changed=self._tell,
            placed=self._note_change,
            gone=gone,
            linked=linked,
            announce=announce,
            has_release=bool(newcomer.release),
            reach=reach,
        )
        self.look_soon = self._looking.soon
        self.looked = self._looking.looked

    def _relied(self, until: float) -> None:
        self.valid_until = until

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
            self._refused.set()
            return False  # there is nobody else
        if not self._holdings.lost(self._holdings.shard(entity)):
            return False
        self._looking.whole_soon()
        return True

    # What others in this node ask.

    @property
    def incarnation(self) -> int:
        return self._me

    def members(self) -> list[Member]:
        """Those that are not dead, this one too, as of the last look; the oldest first."""
        return self._looking.members

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
            self._looking.given(changed)
        self._tell(changed)

    # The node's life.

    async def join(self) -> None:
        """Have a lease; where this node is alone, own every shard too. Raises: AnotherNode, ShardsDiffer, ClockDiffers,
        DeclaredDead, StoreUnavailable."""
        referee, is_alone = self._referee, self._newcomer.is_alone
        waits_since = trio.current_time()
        await referee.agree(len(self._holdings))
        began = trio.current_time()
        await referee.join(self._newcomer, lease_s=self._lease_s)
        self._lease.began(began)
        await self._looking.hear_releases()
        waits = False
        while True:
            others, renewed = await self._looking.see()
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
            if not await self._lease.renew():
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
            await self._referee.give({}, "moved")  # what a session does first takes it longer, and entities would wait
            if not await self._referee.enter("up"):
                raise DeclaredDead("another node has declared this one dead while it started")
            self._looking.entered = "up"
            self._looking.takes_part = True
            await self._looking.look()
            for one in self._looking.members:
                if one.is_alone and one.shards:  # it has come since `join`, when nothing was in its way
                    await self._give_up(one)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Renew the lease, and mind the others, until cancelled. While the database does not answer the lease may run
        out; it is renewed all the same, late, unless somebody has declared this node dead meanwhile. Raises:
        DeclaredDead, alone or in a group."""
        task_status.started()
        if self._newcomer.is_alone:
            async with trio.open_nursery() as nursery:  # owner: this call; whatever a part raises ends the node
                nursery.start_soon(self._lease.run)
                nursery.start_soon(self._keep_all)
            return
        async with trio.open_nursery() as nursery:  # owner: this call; whatever a part raises ends the node
            nursery.start_soon(self._lease.run)
            nursery.start_soon(self._looking.run)
            nursery.start_soon(Ends(others=self._looking.others, ended=self._ended, seen=self.look_soon).run)

    async def _keep_all(self) -> None:
        """Of a node that is alone a claim is refused for one reason: a standby took over that lacks who owns what. What
        is nobody's there is taken again; another's, who is dead, whoever starts anew gets by its rules. Raises:
        DeclaredDead."""
        while True:
            await self._refused.wait()
            self._holdings.begin_reading()
            try:
                taken = await self._referee.take("a failover")
                rows = await self._referee.owned()
            except StoreUnavailable as error:
                log.warning("members_not_read", error=str(error))
            else:
                self._refused = trio.Event()
                self._holdings.read(rows)  # their terms may have fallen
                if taken:
                    log.info("shards_taken", shards=len(taken))
                if len(self._holdings.mine) < len(self._holdings):
                    raise DeclaredDead("a failover has forgotten that this node owns all, and another did before")
            await trio.sleep(WAIT_S)

    async def leave(self) -> None:
        """Own nothing any more. Called when nothing is written any more; what fails is left to the lease."""
        self._looking.takes_part = False
        self._lease.end()
        left = self._placement.without({self._me}, self._holdings.shards_of(self._me))
        self._holdings.clear()
        with trio.move_on_after(LEAVE_S, shield=True) as scope:
            try:
                rows = await self._referee.bury(self._me, is_proven=True, why="stopped", nexts=left)
                for owner, terms in by_owner(rows or ()).items():
                    self._announce(owner, terms)
            except StoreUnavailable as error:
                log.warning("node_not_signed_off", error=str(error))
        if scope.cancelled_caught:
            log.warning("node_not_signed_off", error=f"no answer within {LEAVE_S:g} s")

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
        desired, is_unexpected = self._placement.desired, self._looking.is_unexpected
        return {
            shard: desired[shard]
            for shard in self._holdings.mine
            if desired[shard] != self._me and desired[shard] != NOBODY and not is_unexpected(shard)
        }

    @property
    def is_left_out(self) -> bool:
        """Do the others reach one another, and not this one? Then what it owns is of no use to most."""
        return self._me in self._reach.left_out

    def others_up(self) -> int:
        """How many nodes there are to which clients may go from this one: up, and not left out."""
        left_out = self._reach.left_out
        others = (one for one in self._looking.members if one.incarnation != self._me)
        return sum(one.state == "up" and one.incarnation not in left_out for one in others)

    def take_overtaken(self) -> set[int]:
        """Shards that have been another's without having been handed over, each once."""
        return self._holdings.take_overtaken()

    async def drain(self) -> None:
        """Be given no more, and know who there is: one that has just come may be all who can be given something.
        Raises: StoreUnavailable."""
        self._looking.takes_part = False
        self._looking.entered = "draining"
        await self._referee.enter("draining")
        await self._looking.look()

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
