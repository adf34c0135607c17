"""What is read of `follows:USER`: how two stand, whom else to follow, and its lists, by whoever may see them.

An edge's other end is a row of a view, which is asked while other messages are handled.
"""

from msgspec.structs import replace

from greenroom.actors.model.actor import Actor, Aside, Reads, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.actors.social.follows.listing import listed
from greenroom.actors.social.follows.messages import (
    List,
    Listed,
    Person,
    Relation,
    Standing,
    Suggest,
    Suggested,
    Suggestion,
)
from greenroom.actors.social.follows.state import FollowsState
from greenroom.actors.social.follows.suggesting import ASKED_MAX, EACH_MAX, candidates, chosen
from greenroom.actors.social.follows.views import Followers, Following
from greenroom.actors.social.profile.views import Profiles
from greenroom.actors.views.query import BadQuery

LISTS_PER_H = 1_200  # of other users' accounts
SUGGESTED_S = 60.0  # how long what was found for suggestions is good


class Readable(Actor[FollowsState]):
    """That much of `follows`; all of it is in actor.py."""

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._found: list[Suggestion] = []  # for suggestions
        self._found_s = float("-inf")

    def may_watch(self) -> None:
        """The user themself, and staff. Raises: Refused."""
        if not self._is_own():
            raise Refused("follows.not_yours", "whom somebody follows, mutes and blocks is theirs")

    def _standing(self, author: str) -> Standing:
        if author in self.state.following:
            return "following"
        return "asked" if author in self.state.asked else "none"

    def _relate(self, user: str) -> Aside[Relation]:
        self._refuse_oneself(user)

        async def relate(reads: Reads) -> Relation:
            follows_back = await self._is_followed_by(user, reads)
            state = self.state
            return Relation(
                standing=self._standing(user),
                follows_back=follows_back,
                muted=user in state.muted,
                blocked=user in state.blocked,
                close=user in state.close,
            )

        return Aside(relate)

    async def _is_followed_by(self, user: str, reads: Reads) -> bool:
        found = await reads.query(Followers.Row, self.key, where={"follower": user}, limit=1)
        return bool(found.rows)

    def _suggest(self, wanted: Suggest) -> Aside[Suggested]:
        async def suggest(reads: Reads) -> Suggested:
            state = self.state
            if self.now >= self._found_s + SUGGESTED_S:
                newest = list(state.following)[-ASKED_MAX:]
                pages = await reads.query_pages(Following.Row, newest, limit=EACH_MAX) if newest else {}
                self._found = candidates({user: [row.author for row in rows] for user, rows in pages.items()})
                self._found_s = self.now
            known = (state.following, state.asked, state.blocked, state.muted, (self.key,))
            users = chosen(self._found, known, wanted.limit)
            return Suggested(users, await _people([one.user for one in users] if wanted.people else [], reads))

        return Aside(suggest)

    def _list(self, wanted: List) -> Aside[Listed]:
        """Beside what comes meanwhile: the lists of who is followed by many are read by many."""
        user, is_own = self.principal.user, self._is_own()
        if not is_own:
            self.limit_user("follows.too_many_lists", LISTS_PER_H)
            if wanted.which not in ("following", "followers"):
                raise _closed()

        async def read(reads: Reads) -> Listed:
            was_private = self.state.private
            if not is_own:
                self._refuse_blocked(user)
                if was_private and not await self._is_followed_by(user, reads):
                    raise _closed()
            page = await self._followers(wanted, reads) if wanted.which == "followers" else listed(self.state, wanted)
            people = await _people(page.users, reads) if wanted.people else []
            if not is_own:  # meanwhile
                if self.state.private and not was_private and not await self._is_followed_by(user, reads):
                    raise _closed()
                self._refuse_blocked(user)
            return replace(page, people=people)

        return Aside(read)

    def _refuse_blocked(self, user: str) -> None:
        if user in self.state.blocked:
            raise _closed()

    async def _followers(self, wanted: List, reads: Reads) -> Listed:
        """Raises: Refused."""
        try:
            found = await reads.query(Followers.Row, self.key, limit=wanted.limit, after=wanted.cursor)
        except BadQuery:
            raise Refused("follows.bad_cursor", "the cursor is of another list", status=400) from None
        return Listed([row.follower for row in found.rows], found.next)

    def _is_own(self) -> bool:
        """Is it its user who asks, or staff? Raises: Refused for the anonymous."""
        who = self.principal
        return who.system or not STAFF_ROLES.isdisjoint(who.roles) or self.require_user() == self.key

    def _refuse_oneself(self, user: str) -> None:
        if user == self.key:
            raise Refused("follows.oneself", "that is you", status=409)


def _closed() -> Refused:
    return Refused("follows.closed", "this list is not open to you")


async def _people(users: list[str], reads: Reads) -> list[Person]:
    rows = await reads.query_pages(Profiles.Row, users, limit=1) if users else {}
    return [Person(user, rows[user][0].name, rows[user][0].avatar) if user in rows else Person(user) for user in users]
