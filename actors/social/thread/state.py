"""What a thread remembers. All of it goes into a snapshot as JSON, so all of it is bounded by the actor."""

from typing import assert_never

from msgspec import Struct, field

from greenroom.actors.personal.fields import Personal, Subject
from greenroom.actors.social.feed.messages import Visibility
from greenroom.actors.social.thread.events import (
    Cleared,
    Closed,
    CommentDeleted,
    CommentEdited,
    CommentLiked,
    CommentMade,
    CommentUnliked,
    CommentVeiled,
    Covered,
    NamedTold,
    Opened,
    ThreadEvent,
)
from greenroom.actors.social.thread.messages import CommentShown, Veil

WINDOW = 50  # comments kept with their text, for the view


class Said(Struct, omit_defaults=True):
    """One of the newest comments."""

    author: Subject
    text: Personal[str]
    at_ms: int
    edited_ms: int = 0


class ThreadState(Struct):
    """All that a thread remembers. Only `change` changes it, by events."""

    author: Subject = ""  # the post's; without one there is no thread
    visibility: Visibility = "public"
    closed: bool = False
    covered: bool = False  # the post is there, and not seen
    window: dict[int, Said] = field(default_factory=dict)  # offset -> the newest comments, oldest first
    authors: dict[int, Subject] = field(default_factory=dict)  # offset -> author, of all that are not deleted
    replies: dict[int, int] = field(default_factory=dict)  # offset -> of the comment that it answers
    veils: dict[int, Veil] = field(default_factory=dict)  # of those that are not seen by all
    edited: dict[int, int] = field(default_factory=dict)  # offset -> when, Unix ms: which text it is
    likers: dict[int, set[Subject]] = field(default_factory=dict)
    likes: int = 0  # of all comments together
    named: dict[int, list[Subject]] = field(default_factory=dict)  # offset -> who was told of it

    @property
    def count(self) -> int:
        """Comments that are seen by all who see the post."""
        return len(self.authors) - len(self.veils)

    def count_for(self, user: str) -> int:
        """With those that only they see, as whose they are."""
        return self.count + sum(self.authors[offset] == user for offset in self.veils)

    def change(self, event: ThreadEvent, offset: int, at_ms: int) -> None:
        """Become what the thread is after `event`, recorded at `at_ms` (Unix) under `offset`."""
        match event:
            case Opened():
                self.author, self.visibility = event.author, event.visibility
            case Closed():
                self.closed = True
                self.window = {}
            case Covered():
                self.covered = event.covered
            case Cleared():
                for comment in event.comments:
                    self._remove(comment)
            case CommentMade():
                self._add(event, offset, at_ms)
            case CommentEdited(comment=comment):
                said = self.window.get(comment)
                if said is not None:
                    said.text, said.edited_ms = event.text, at_ms
                self.edited[comment] = at_ms
                self._veil(comment, event.veil)
            case CommentVeiled():
                self._veil(event.comment, event.veil)
            case CommentDeleted():
                self._remove(event.comment)
            case CommentLiked():
                self.likers.setdefault(event.comment, set()).add(event.user)
                self.likes += 1
            case CommentUnliked(comment=comment):
                self.likers[comment].discard(event.user)
                if not self.likers[comment]:
                    del self.likers[comment]
                self.likes -= 1
            case NamedTold(comment=comment):
                if comment in self.authors:
                    self.named[comment] = [*self.named.get(comment, ()), *event.users]
            case _:
                assert_never(event)

    def _add(self, event: CommentMade, offset: int, at_ms: int) -> None:
        self.window[offset] = Said(event.author, event.text, at_ms)
        if len(self.window) > WINDOW:
            del self.window[next(iter(self.window))]
        self.authors[offset] = event.author
        if event.reply_to:
            self.replies[offset] = event.reply_to
        self._veil(offset, event.veil)

    def _veil(self, comment: int, veil: Veil) -> None:
        if veil:
            self.veils[comment] = veil
        elif self.veils.pop(comment, ""):
            self.named.pop(comment, None)  # what they were told was taken back

    def _remove(self, comment: int) -> None:
        self.authors.pop(comment, None)
        self.window.pop(comment, None)
        self.replies.pop(comment, None)
        self.veils.pop(comment, None)
        self.named.pop(comment, None)
        self.edited.pop(comment, None)
        self.likes -= len(self.likers.pop(comment, ()))

    def likes_of(self, comment: int) -> int:
        """How many like it."""
        return len(self.likers.get(comment, ()))

    def shown(self, *, to: str) -> list[CommentShown]:
        """The newest ones that all may see, and those of the user `to`, oldest first."""
        return [
            self._as_shown(offset, said)
            for offset, said in self.window.items()
            if offset not in self.veils or said.author == to
        ]

    def shown_one(self, offset: int) -> CommentShown | None:
        """One of the newest."""
        said = self.window.get(offset)
        return self._as_shown(offset, said) if said is not None else None

    def _as_shown(self, offset: int, said: Said) -> CommentShown:
        return CommentShown(
            offset=offset,
            author=said.author,
            text=said.text,
            at_ms=said.at_ms,
            edited_ms=said.edited_ms,
            reply_to=self.replies.get(offset, 0),
            likes=self.likes_of(offset),
        )
