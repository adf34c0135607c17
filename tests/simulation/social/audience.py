"""What people do to one another in the world `social`: post, share, edit, delete; follow, block, mute; react, comment,
read. They are few, so that what two of them do at once meets often.

Nobody posts more than a wall shows at once, so that every feed can be told in full from the journals.
"""

from collections import Counter
from random import Random
from typing import Any, Literal

from greenroom.actors.inbox.messages import ReadAll
from greenroom.actors.model.message import Ask, Message
from greenroom.actors.social.feed.messages import Post, Read, Visibility
from greenroom.actors.social.follows.messages import (
    Accept,
    Block,
    Decline,
    Follow,
    Mute,
    Remove,
    SetClose,
    SetPrivate,
    Unblock,
    Unfollow,
    Unmute,
)
from greenroom.actors.social.post.messages import Delete, Edit, React, Unreact
from greenroom.actors.social.thread.messages import Comment
from greenroom.actors.social.thread.messages import Delete as DeleteComment
from greenroom.testing import Work

USERS = tuple(f"user{number}" for number in range(1, 6))
POSTS_MAX = 9  # of one user: what a wall shows to who follows only now
VISIBILITIES: tuple[Visibility, ...] = ("public", "public", "public", "followers", "close")
REACTIONS: tuple[Literal["like", "love"], ...] = ("like", "like", "love")


class Deeds:
    """Of one world. What was posted, those know who have heard of it."""

    def __init__(self) -> None:
        self._posted: Counter[str] = Counter()
        self._comments: list[tuple[str, int]] = []
        self._said = 0
        self.posts: list[str] = []

    def __call__(self, draw: Random, user: str) -> Work:
        chance = draw.random()
        if chance < 0.1 and self._posted[user] < POSTS_MAX:
            return Work(f"feed:{user}", self._post(draw, user))
        if chance < 0.22:
            order: Literal["ranked", "newest"] = draw.choice(("ranked", "newest"))
            return Work(f"feed:{user}", Read(order=order))
        if chance < 0.6 or not self.posts:
            return Work(f"follows:{user}", self._stand(draw, user))
        if chance < 0.65:
            return Work(f"inbox:{user}", ReadAll())
        return self._about(draw, draw.choice(self.posts[-8:]))

    def _post(self, draw: Random, user: str) -> Post:
        self._posted[user] += 1
        self._said += 1
        mentioned = f" @{draw.choice(USERS)}" if draw.random() < 0.3 else ""
        if self.posts and draw.random() < 0.2:
            return Post(text=f"number {self._said}{mentioned}", share_of=draw.choice(self.posts))
        return Post(text=f"number {self._said}{mentioned} #tag", visibility=draw.choice(VISIBILITIES))

    def _stand(self, draw: Random, user: str) -> Ask[Any]:
        other = draw.choice([one for one in USERS if one != user])
        chance = draw.random()
        if chance < 0.45:
            return Follow(user=other)
        if chance < 0.6:
            return Unfollow(user=other)
        if chance < 0.68:
            return Accept(user=other) if chance < 0.65 else Decline(user=other)
        if chance < 0.7:
            return Remove(user=other)
        if chance < 0.75:
            return Block(user=other)
        if chance < 0.83:
            return Unblock(user=other)
        if chance < 0.9:
            return Mute(user=other) if chance < 0.86 else Unmute(user=other)
        if chance < 0.97:
            return SetClose(user=other, close=draw.random() < 0.7)
        return SetPrivate(private=draw.random() < 0.4)

    def _about(self, draw: Random, post: str) -> Work:
        chance = draw.random()
        self._said += 1
        if chance < 0.45:
            return Work(f"post:{post}", React(reaction=draw.choice(REACTIONS)))
        if chance < 0.6:
            return Work(f"post:{post}", Unreact())
        if chance < 0.65:
            return Work(f"post:{post}", Delete())
        if chance < 0.72:
            mentioned = f" @{draw.choice(USERS)}" if draw.random() < 0.5 else ""
            return Work(f"post:{post}", Edit(text=f"edited {self._said}{mentioned}"))
        return Work(f"thread:{post}", self._comment(draw, post))

    def _comment(self, draw: Random, post: str) -> Ask[Any]:
        here = [offset for about, offset in self._comments if about == post]
        if here and draw.random() < 0.3:
            return DeleteComment(offset=draw.choice(here))
        reply_to = draw.choice(here) if here and draw.random() < 0.3 else None
        return Comment(text=f"comment {self._said} on {post}", reply_to=reply_to)

    def read(self, message: Message, reply: Any) -> int | None:
        """See Scenario.reads: what was made is known from its answer on."""
        match message:
            case Post():
                assert isinstance(reply, dict) and len(reply["id"]) == 32, f"a post is answered {reply}"
                self.posts.append(reply["id"])
            case Comment(text=text):
                assert isinstance(reply, dict) and reply["offset"] > 0, f"a comment is answered {reply}"
                self._comments.append((text.rpartition(" ")[2], reply["offset"]))
        return None
