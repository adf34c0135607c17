"""What must be true of people and posts once all is calm, worked out from the states of those who own each fact.

It shares no code with what it looks at, but for the names of things.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from greenroom.actors.chat.room.direct import direct_key
from greenroom.actors.chat.room.state import RoomState
from greenroom.actors.inbox.outgoing import digest_of
from greenroom.actors.inbox.state import Decision, InboxState
from greenroom.actors.social.feed.state import FeedState
from greenroom.actors.social.follows.state import FollowsState
from greenroom.actors.social.moderation.state import CaseFile
from greenroom.actors.social.post.reactions import ShardState
from greenroom.actors.social.post.state import PostState
from greenroom.actors.social.profile.state import ProfileState
from greenroom.actors.social.thread.state import ThreadState

States = dict[str, Any]


class Facts:
    """The states of a world, by kind and key."""

    def __init__(self, states: States, users: tuple[str, ...], once_barred: set[tuple[str, str]]) -> None:
        """`once_barred`: pairs of which one has blocked the other, at any time; each way round."""
        self.users = users
        self._once_barred = once_barred
        self.follows: dict[str, FollowsState] = {user: FollowsState() for user in users}
        self.feeds: dict[str, FeedState] = {user: FeedState() for user in users}
        self.inboxes: dict[str, InboxState] = {user: InboxState() for user in users}
        self.posts: dict[str, PostState] = {}
        self.threads: dict[str, ThreadState] = {}
        self.rooms: dict[str, RoomState] = {}
        self.parts: dict[str, ShardState] = {}
        self.cases: dict[str, CaseFile] = {}
        self.profiles: dict[str, ProfileState] = {}
        for entity, state in states.items():
            kind, _, key = entity.partition(":")
            by_kind: dict[str, dict[str, Any]] = {
                "follows": self.follows,
                "feed": self.feeds,
                "inbox": self.inboxes,
                "post": self.posts,
                "thread": self.threads,
                "room": self.rooms,
                "reactions": self.parts,
                "case": self.cases,
                "profile": self.profiles,
            }
            if kind in by_kind:
                by_kind[kind][key] = state

    def wrong(self) -> Iterator[str]:
        yield from self._followers()
        yield from self._mirrors()
        yield from self._conversations()
        yield from self._counters()
        yield from self._parts()
        yield from self._notices()

    def _followers(self) -> Iterator[str]:
        edges = Counter(author for state in self.follows.values() for author in state.following)
        for user, state in self.follows.items():
            if state.followers != edges[user]:
                yield f"follows:{user} counts {state.followers} followers, and there are {edges[user]} edges"
            for other in state.following:
                if user in self.follows[other].blocked or other in state.blocked:
                    yield f"{user} follows {other}, and one has blocked the other"
            for other in state.asked:
                if user not in self.follows[other].pending:
                    yield f"{user} waits for {other}, who knows of no request"
            for other in state.pending:
                if user not in self.follows[other].asked:
                    yield f"{user} has a request of {other}, who does not wait"

    def _mirrors(self) -> Iterator[str]:
        """What feeds and inboxes know of it."""
        for user in self.users:
            mine, feed, inbox = self.follows[user], self.feeds[user], self.inboxes[user]
            barred = {other for other in self.users if self._is_barred(user, other)}
            close_to = {other for other in self.users if user in self.follows[other].close}
            for what, is_so, should_be in (
                ("follows", set(feed.follows), set(mine.following)),
                ("has muted", set(feed.muted), mine.muted),
                ("is barred from", set(feed.barred), barred),
                ("is close to", set(feed.close_to), close_to),
                ("hears nothing of", set(inbox.muted), mine.muted),
                ("hears nothing, barred, of", set(inbox.barred), barred),
            ):
                if is_so != should_be:
                    yield f"{user}'s feed or inbox says that {user} {what} {sorted(is_so)}, not {sorted(should_be)}"

    def _conversations(self) -> Iterator[str]:
        """Who may not write to whom."""
        for user, other in combinations(self.users, 2):
            room = self.rooms.get(direct_key(user, other), RoomState())
            should_be = {one for one in (user, other) if self.follows[one].blocked & {user, other}}
            if room.barred_by != should_be:
                yield f"{user} and {other} do not write, for {sorted(room.barred_by)}, not {sorted(should_be)}, block"

    def _counters(self) -> Iterator[str]:
        shares = Counter(
            one.content.share_of for one in self.posts.values() if one.content.share_of and self._is_shown(one)
        )
        for post, state in self.posts.items():
            if state.gone or not state.author:
                continue
            reactions = dict(Counter(state.reactors.values()) + self._in_parts(post))
            if state.reactions != reactions:
                yield f"post:{post} counts {state.reactions}, and its reactors say {reactions}"
            if state.shares != shares[post] and not state.content.is_story:
                yield f"post:{post} counts {state.shares} shares, and there are {shares[post]}"
            thread = self.threads.get(post)
            comments = thread.count if thread is not None else 0
            if state.comments != comments:
                yield f"post:{post} counts {state.comments} comments, and its thread has {comments}"

    def _in_parts(self, post: str) -> Counter[str]:
        """Of a hot post: what those say whom its parts know."""
        parts = (state for key, state in self.parts.items() if key.startswith(post))
        return Counter(reaction for state in parts for reaction in state.reactors.values())

    def _parts(self) -> Iterator[str]:
        """Nobody is known to a post and to one of its parts, too; and nothing is left of what is gone."""
        for key, part in self.parts.items():
            post = self.posts.get(key.partition(".")[0], PostState())
            both = part.reactors.keys() & post.reactors.keys()
            if both:
                yield f"reactions:{key} knows {sorted(both)}, and so does the post"
            if post.gone and part.reactors:  # one that has never known anybody is told nothing
                yield f"reactions:{key} knows {sorted(part.reactors)} of a post that is gone"

    def _notices(self) -> Iterator[str]:
        """Of each reaction that its author is to hear of: it was told, or there is a reason. Of what is gone: none."""
        for post, state in self.posts.items():
            if state.gone:
                about, kept = f"post:{post}", "moderation"  # what a moderator has said of it outlasts it
                for user, its in self.inboxes.items():
                    left = [group.key for group in its.groups.values() if group.about == about and group.kind != kept]
                    if left:
                        yield f"inbox:{user} tells {left} of a post that is gone"
                continue
            inbox = self.inboxes.get(state.author)
            if inbox is None:
                continue
            for user in state.notified:
                id_ = digest_of(f"like:{post}:{user}")
                known, decision = inbox.known.get(id_), inbox.decisions.get(id_)
                is_told = known is not None and known.live
                says = f"inbox:{state.author}, of what {user} says of post:{post},"
                if decision is None:
                    if (state.author, user) not in self._once_barred:  # whoever has blocked somebody is not named
                        yield f"{says} has decided nothing"
                elif is_told and user not in state.reactors:
                    yield f"{says} tells, though it was taken back"
                elif user in state.reactors and not is_told and not self._why_not(decision, state.author, user):
                    yield f"{says} does not tell, and gives no reason"

    def has_reason(self, author: str, user: str, id_: str) -> bool:
        """Is the author not told of what that user did, for a reason that there is?"""
        decision = self.inboxes[author].decisions.get(id_)
        return (author, user) in self._once_barred if decision is None else self._why_not(decision, author, user)

    def _why_not(self, decision: Decision, author: str, user: str) -> bool:
        """Is there a reason? Who is barred takes along what was told of them."""
        return "all" in decision.channels or (author, user) in self._once_barred

    def _is_barred(self, one: str, other: str) -> bool:
        return other in self.follows[one].blocked or one in self.follows[other].blocked

    @staticmethod
    def _is_shown(state: PostState) -> bool:
        return bool(state.author) and not state.gone and not (state.is_hidden or state.is_pending or state.is_shadowed)

    # A feed.

    def home(self, user: str, *, stories: bool = False) -> list[str]:
        """All that must be in it, newest first; or the stories."""
        return sorted(
            (
                post
                for post, state in self.posts.items()
                if state.content.is_story == stories and self._belongs(user, state) and self.may_see(user, state)
            ),
            reverse=True,
        )

    def _belongs(self, user: str, state: PostState) -> bool:
        mine = self.follows[user]
        return state.author == user or (state.author in mine.following and state.author not in mine.muted)

    def may_see(self, user: str, state: PostState) -> bool:
        author = state.author
        if author == user:  # also what is pending, or shadowed
            return not (state.gone or state.is_hidden)
        if not self._is_shown(state) or self._is_barred(user, author):
            return False
        theirs, follows = self.follows[author], author in self.follows[user].following
        match state.content.visibility:
            case "public":
                return follows or not theirs.private
            case "followers":
                return follows
            case "close":
                return user in theirs.close

    # What it finds elsewhere.

    def tagged(self, user: str, tag: str) -> list[str]:
        """Posts with that tag, newest first."""
        muted = self.follows[user].muted
        return self._found(user, lambda state: f"#{tag}" in state.content.text.split() and state.author not in muted)

    def said(self, user: str, word: str) -> list[str]:
        """Posts with that word, newest first."""
        muted = self.follows[user].muted
        return self._found(user, lambda state: word in state.content.text.split() and state.author not in muted)

    def people(self, words: str) -> list[str]:
        """Who says so of themself, in any order of words."""
        wanted = set(words.split())
        found = ((user, f"{one.name} {one.bio}".lower().split()) for user, one in self.profiles.items())
        return sorted(user for user, said in found if wanted <= set(said))

    def wall(self, user: str, author: str) -> list[str]:
        """Of one author, who may be muted: they were asked for."""
        return self._found(user, lambda state: state.author == author)

    def _found(self, user: str, is_meant: Callable[[PostState], bool]) -> list[str]:
        return sorted(
            (
                post
                for post, state in self.posts.items()
                if state.author and not state.content.is_story and is_meant(state) and self.may_see(user, state)
            ),
            reverse=True,
        )
