"""What a post remembers. All of it goes into a snapshot as JSON, so all of it is bounded."""

from collections.abc import Mapping
from typing import Literal, assert_never

from msgspec import Struct, field

from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.post.events import (
    CommentsCounted,
    Content,
    Deleted,
    Edited,
    Ended,
    Hidden,
    MentionsTold,
    PostEvent,
    Published,
    ReactionChanged,
    ShardCounted,
    Sharded,
    SharesCounted,
    Shown,
    Unwanted,
)

Gone = Literal["", "deleted", "ended"]


class PostState(Struct):
    """All that a post remembers, each part bounded by the actor. Only `change` changes it, by events."""

    content: Content = field(default_factory=lambda: Content(author=""))  # without an author there is no post
    is_pending: bool = False
    is_shadowed: bool = False
    is_hidden: bool = False
    is_out: bool = False  # it could be seen, once: who was to be told has been
    gone: Gone = ""
    reactors: dict[Subject, str] = field(default_factory=dict)  # user -> reaction, of the first ones
    is_sharded: bool = False  # who is not among `reactors` is known to one of its `reactions`
    shards: dict[str, dict[str, int]] = field(default_factory=dict)  # of these -> what it has counted
    reactions: dict[str, int] = field(default_factory=dict)  # all of them together, without zeros
    comments: int = 0
    shares: int = 0
    notified: set[Subject] = field(default_factory=set)  # whose reactions its author was told of
    mentioned: set[Subject] = field(default_factory=set)  # who was told of being mentioned, or is not to be
    unwanted_by: list[Subject] = field(default_factory=list)  # who has deleted it before it came

    @property
    def author(self) -> str:
        return self.content.author

    @property
    def is_veiled(self) -> bool:
        """Does nobody see it but its author?"""
        return self.is_pending or self.is_shadowed or self.is_hidden

    @property
    def is_seen(self) -> bool:
        """Does everybody see it who may?"""
        return self.is_out and not self.is_veiled and not self.gone

    def change(self, event: PostEvent) -> None:
        """Become what the post is after `event`."""
        match event:
            case Published():
                self.content, self.is_pending, self.is_shadowed = event.content, event.is_pending, event.is_shadowed
                self.is_out = not self.is_veiled
                self.unwanted_by = []
            case Edited():
                self.content, self.is_pending, self.is_shadowed = event.content, event.is_pending, event.is_shadowed
            case Hidden():
                self.is_hidden = True
            case Shown():
                self.is_hidden = self.is_pending = False
                if self.is_seen:  # again: what they were told was taken back
                    self.mentioned = set()
                self.is_out = self.is_out or not self.is_veiled
            case Deleted() | Ended():
                self._empty(event.author, "ended" if isinstance(event, Ended) else "deleted")
            case Unwanted():
                self.unwanted_by.append(event.by)
            case ReactionChanged(user=user):
                if event.reaction:
                    self.reactors[user] = event.reaction
                else:
                    self.reactors.pop(user, None)
                if event.notified:
                    self.notified.add(user)
                self.reactions = moved(self.reactions, {event.before: -1, event.reaction: 1})
            case Sharded():
                self.is_sharded = True
            case ShardCounted():
                self.shards[event.shard] = dict(event.counts)
                self.reactions = moved(self.reactions, event.by)
            case CommentsCounted():
                self.comments = event.count
            case SharesCounted():
                self.shares = event.count
            case MentionsTold():
                self.mentioned.update(event.users)
            case _:
                assert_never(event)

    def _empty(self, author: str, gone: Gone) -> None:
        """What is gone is not kept."""
        self.content, self.gone = Content(author=author), gone
        self.reactors, self.shards, self.reactions, self.is_sharded = {}, {}, {}, False
        self.notified, self.mentioned, self.unwanted_by = set(), set(), []


def moved(counts: Mapping[str, int], by: Mapping[str, int]) -> dict[str, int]:
    """The counts with these differences, without zeros; what is under "" counts for nothing."""
    found = dict(counts)
    for name, difference in by.items():
        if name:
            found[name] = found.get(name, 0) + difference
    return {name: count for name, count in found.items() if count}


def differences(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """What leads from one to the other, without zeros."""
    return {name: by for name in {**before, **now} if (by := now.get(name, 0) - before.get(name, 0))}
