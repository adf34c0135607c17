"""The edges of one user, whom they follow: how each begins, and how it ends.

Whom an author lets in at once, they say from memory, on the same node mostly without being asked: then the edge begins
with one append, and its author is told to count it. Where they want to be asked first, or can't be reached so soon, the
request is theirs, and waits for nobody. The protocol of both is in actor.py.
"""

from collections.abc import Coroutine
from itertools import islice
from typing import Any

import trio

from greenroom.actors.inbox.messages import Withdraw
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.social.feed.messages import FollowsChanged
from greenroom.actors.social.follows.events import (
    FollowAsked,
    FollowBegan,
    FollowDropped,
    FollowEnded,
    RequestDropped,
)
from greenroom.actors.social.follows.messages import (
    FOLLOWING_MAX,
    PARTED_MAX,
    Admitted,
    AskToFollow,
    Came,
    Cut,
    Declined,
    DoorAsk,
    FollowShown,
    LeftYou,
    Part,
    Parted,
)
from greenroom.actors.social.follows.reading import Readable

CHANGES_PER_H = 2_000  # of a user: each has another user's entities do something
SOON_S = 1.0  # within which an author says whether they let somebody in at once; other messages wait for it


class Edges(Readable):
    """That much of `follows`; all of it is in actor.py."""

    def _follow(self, author: str) -> FollowShown | Coroutine[Any, Any, FollowShown]:
        """Raises: Refused."""
        state = self.state
        self._refuse_oneself(author)
        if author in state.blocked:
            raise Refused("follows.blocked", f"you have blocked {author}", status=409)
        if self._standing(author) != "none":
            return FollowShown(self._standing(author))
        if len(state.following) + len(state.asked) >= FOLLOWING_MAX:
            raise Refused("follows.too_many", f"one may follow {FOLLOWING_MAX}", status=409)
        self._limit()
        door = self.glance(f"follows:{author}", DoorAsk(follower=self.key))
        return self._having_asked(author) if door is None else self._begin(author, is_open=door.open)

    async def _having_asked(self, author: str) -> FollowShown:
        return self._begin(author, is_open=await self._is_open(author))

    def _begin(self, author: str, *, is_open: bool) -> FollowShown:
        seq = self.state.seq + 1
        self.record(FollowAsked(author=author, seq=seq))
        if is_open:
            self.record(FollowBegan(author=author, seq=seq))
            self.tell(f"follows:{author}", Came(follower=self.key, seq=seq))
            self.tell(self._feed, FollowsChanged(author=author, follows=True))
        else:
            self.tell(f"follows:{author}", AskToFollow(follower=self.key, seq=seq))
        return FollowShown(self._standing(author))

    async def _is_open(self, author: str) -> bool:
        """Does the author let them in at once, as far as that is heard soon?"""
        with trio.move_on_after(SOON_S):
            try:
                return (await self.ask(f"follows:{author}", DoorAsk(follower=self.key))).open
            except ActorError:  # such as: they are asking us
                return False
        return False

    def _leave(self, author: str) -> None:
        """Whichever edge there is, or may be, is gone."""
        following, asked = self.state.following.get(author), self.state.asked.get(author)
        if following is not None:
            self.record(FollowEnded(author=author))
            self.tell(f"follows:{author}", LeftYou(follower=self.key, seq=following.seq))
            self.tell(self._feed, FollowsChanged(author=author, follows=False))
        elif asked is not None:
            # They may have admitted us already: then that is on its way, and answered when it comes.
            self.record(FollowDropped(author=author))
            self.tell(f"follows:{author}", LeftYou(follower=self.key, seq=asked, was_admitted=False))

    def _part(self, ask: Part) -> Parted:
        """From so many at once; requests are all declined: they are not counted."""
        state = self.state
        for follower, seq in dict(state.pending).items():
            self._decline(follower, seq)
        for follower in ask.followers:
            self.tell(f"follows:{follower}", Cut(author=self.key))
        authors = list(islice((*state.following, *state.asked), PARTED_MAX))
        for author in authors:
            self._leave(author)
        return Parted(left=len(authors), more=bool(state.following or state.asked), followers=state.followers)

    def _decline(self, follower: str, seq: int) -> None:
        self.record(RequestDropped(follower=follower))
        self.tell(f"follows:{follower}", Declined(author=self.key, seq=seq))
        self.tell(self._inbox, Withdraw(id=request_id(follower)))

    def _be_admitted(self, admitted: Admitted) -> None:
        author, seq = admitted.author, admitted.seq
        if self.state.asked.get(author) == seq:
            self.record(FollowBegan(author=author, seq=seq))
            self.tell(self._feed, FollowsChanged(author=author, follows=True))
        else:  # to an edge that is not wanted any more; yet they have counted it
            again = self._standing(author) != "none"
            self.tell(f"follows:{author}", LeftYou(follower=self.key, seq=seq, has_asked_again=again))

    def _limit(self) -> None:
        self.limit_user("follows.too_often", CHANGES_PER_H)

    @property
    def _feed(self) -> str:
        return f"feed:{self.key}"

    @property
    def _inbox(self) -> str:
        return f"inbox:{self.key}"


def request_id(follower: str) -> str:
    """Of the notice that they have asked to follow."""
    return f"request:{follower}"
