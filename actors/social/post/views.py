"""Posts as rows, for feeds: each by its id, by author, by tag, and by their words; and who has said what of them.

Internal: nobody may watch them. Who may see which post is decided where it is read, by the reader's feed. What is
deleted, ended or hidden is no row; what is pending or shadowed is one that says so, for its author.
"""

from typing import Any

from msgspec import Struct, field

from greenroom.actors.social.feed.messages import Visibility
from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.events import (
    CommentsCounted,
    Content,
    Deleted,
    Edited,
    Ended,
    Hidden,
    PostEvent,
    Published,
    ReactionChanged,
    ShardCounted,
    SharesCounted,
    Shown,
)
from greenroom.actors.social.post.reactions import ShardReactionChanged, ShardState
from greenroom.actors.social.post.state import PostState, moved
from greenroom.actors.views.columns import Index, Key, Text
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View

Gone = Deleted | Ended | Hidden
SHOWN = (Published, Edited, Deleted, Ended, Hidden, Shown)  # what makes a row, or takes it away


class Posts(View, version=1, inline=True):
    """Every post that there is, whole: a page each."""

    of = (*SHOWN, ReactionChanged, ShardCounted, CommentsCounted, SharesCounted)

    class Row(Struct):
        """A post."""

        id: Key[str]
        author: Index[str] = ""
        at_ms: int = 0  # Unix
        text: str = ""
        media: list[str] = field(default_factory=list)
        tags: list[str] = field(default_factory=list)
        visibility: Visibility = "public"
        is_story: bool = False
        ends_ms: int = 0
        edited_ms: int = 0
        share_of: Index[str] = ""
        reactions: dict[str, int] = field(default_factory=dict)
        comments: int = 0
        shares: int = 0
        is_pending: bool = False
        is_shadowed: bool = False

    entity_key = "id"
    watch = Page(by="id", limit=1)

    def fold(self, event: PostEvent, of: Origin) -> None:
        match event:
            case Published() | Edited():
                self._show(of, event.content, is_pending=event.is_pending, is_shadowed=event.is_shadowed)
            case Shown():
                row = self._show(of, event.content, is_pending=False, is_shadowed=event.is_shadowed)
                row.reactions = dict(event.reactions)
                row.comments, row.shares = event.comments, event.shares
            case Deleted() | Ended() | Hidden():
                row = self.find(id=of.key)
                if row is not None:
                    del self[row]
            case _:
                row = self.find(id=of.key)
                if row is not None:
                    _count(row, event)

    def seed(self, state: PostState, of: Origin) -> None:
        if _is_row(state):
            row = self._show(of, state.content, is_pending=state.is_pending, is_shadowed=state.is_shadowed)
            row.reactions = dict(state.reactions)
            row.comments, row.shares = state.comments, state.shares

    def _show(self, of: Origin, content: Content, *, is_pending: bool, is_shadowed: bool) -> Any:
        row = self.row(id=of.key)
        row.author, row.at_ms, row.text = content.author, ms_of(of.key), content.text
        row.media, row.tags = list(content.media), list(content.tags)
        row.visibility, row.is_story, row.ends_ms = content.visibility, content.is_story, content.ends_ms
        row.edited_ms, row.share_of = content.edited_ms, content.share_of
        row.is_pending, row.is_shadowed = is_pending, is_shadowed
        return row


def _count(row: Any, event: PostEvent) -> None:
    match event:
        case ReactionChanged():
            row.reactions = moved(row.reactions, {event.before: -1, event.reaction: 1})
        case ShardCounted():
            row.reactions = moved(row.reactions, event.by)
        case CommentsCounted():
            row.comments = event.count
        case SharesCounted():
            row.shares = event.count


class Wall(View, version=2):
    """What somebody has posted, newest first. Without its text: walls are read by the hundred, for names of posts."""

    of = SHOWN

    class Row(Struct):
        """A post, by who has posted it."""

        author: Key[str]
        id: Key[str]
        is_story: Index[bool] = False
        visibility: Index[Visibility] = "public"
        is_pending: bool = False
        is_shadowed: bool = False
        ends_ms: int = 0
        share_of: str = ""

    entity_key = "id"
    watch = Page(by="author", order="-id", limit=100)

    def fold(self, event: PostEvent, of: Origin) -> None:
        match event:
            case Published() | Edited() | Shown():
                self._show(of, event.content, event)
            case Deleted() | Ended() | Hidden():
                row = self.find(author=event.author, id=of.key)
                if row is not None:
                    del self[row]

    def seed(self, state: PostState, of: Origin) -> None:
        if _is_row(state):
            self._show(of, state.content, state)

    def _show(self, of: Origin, content: Content, marks: Published | Edited | Shown | PostState) -> None:
        row = self.row(author=content.author, id=of.key)
        _say(row, content, marks)
        row.ends_ms, row.share_of = content.ends_ms, content.share_of


class Tagged(View, version=1):
    """What is posted under a tag, newest first."""

    of = SHOWN

    class Row(Struct):
        """A post, by one of its tags."""

        tag: Key[str]
        id: Key[str]
        author: Index[str] = ""
        is_story: Index[bool] = False
        visibility: Index[Visibility] = "public"
        is_pending: bool = False
        is_shadowed: bool = False

    entity_key = "id"
    watch = Page(by="tag", order="-id", limit=100)

    def fold(self, event: PostEvent, of: Origin) -> None:
        match event:
            case Published() | Edited() | Shown():
                gone = set(event.tags_before) - set(event.content.tags) if isinstance(event, Edited) else ()
                self._remove(sorted(gone), of)
                self._show(of, event.content, event)
            case Deleted() | Ended() | Hidden():
                self._remove(event.tags, of)

    def seed(self, state: PostState, of: Origin) -> None:
        if _is_row(state):
            self._show(of, state.content, state)

    def _remove(self, tags: list[str], of: Origin) -> None:
        for tag in tags:
            row = self.find(tag=tag, id=of.key)
            if row is not None:
                del self[row]

    def _show(self, of: Origin, content: Content, marks: Published | Edited | Shown | PostState) -> None:
        for tag in content.tags:
            row = self.row(tag=tag, id=of.key)
            row.author = content.author
            _say(row, content, marks)


class SaidInPosts(View, version=1, name="said"):
    """Posts by their words, newest first: one page, `all`, which is searched."""

    of = SHOWN

    class Row(Struct):
        """A post's text."""

        id: Key[str]
        author: Index[str] = ""
        text: Text = ""
        is_story: Index[bool] = False
        visibility: Index[Visibility] = "public"
        is_pending: bool = False
        is_shadowed: bool = False

    entity_key = "id"
    watch = Page(order="-id", limit=100)

    def fold(self, event: PostEvent, of: Origin) -> None:
        match event:
            case Published() | Edited() | Shown():
                self._show(of, event.content, event)
            case Deleted() | Ended() | Hidden():
                row = self.find(id=of.key)
                if row is not None:
                    del self[row]

    def seed(self, state: PostState, of: Origin) -> None:
        if _is_row(state):
            self._show(of, state.content, state)

    def _show(self, of: Origin, content: Content, marks: Published | Edited | Shown | PostState) -> None:
        row = self.row(id=of.key)
        row.author, row.text = content.author, content.text
        _say(row, content, marks)


class WhoReacted(View, version=1, name="reacted"):
    """What somebody has said of a post: the page of the post's id with the user's behind it.

    A row is of the post, or of the one among its `reactions` that knows the user, and never of both for long.
    """

    of = (ReactionChanged, ShardReactionChanged)

    class Row(Struct):
        """A user's reaction to a post."""

        of: Key[str]  # the post's id, and behind it the user's
        source: Key[str]  # the entity that says so
        reaction: str = ""

    entity_key = "source"
    watch = Page(by="of", limit=2)

    def fold(self, event: ReactionChanged | ShardReactionChanged, of: Origin) -> None:
        keys = {"of": reacted_key(of.key[:32], event.user), "source": of.entity}
        if event.reaction:
            self.row(**keys).reaction = event.reaction
            return
        row = self.find(**keys)
        if row is not None:
            del self[row]

    def seed(self, state: PostState | ShardState, of: Origin) -> None:
        for user, reaction in state.reactors.items():
            self.row(of=reacted_key(of.key[:32], user), source=of.entity).reaction = reaction


def reacted_key(post: str, user: str) -> str:
    """The page of `reacted`; `post` is an id, and so has 32 characters."""
    return post + user


def _is_row(state: PostState) -> bool:
    return bool(state.author) and not state.gone and not state.is_hidden


def _say(row: Any, content: Content, marks: Published | Edited | Shown | PostState) -> None:
    """What feeds choose by before they read the post."""
    row.is_story, row.visibility = content.is_story, content.visibility
    row.is_pending = False if isinstance(marks, Shown) else marks.is_pending
    row.is_shadowed = marks.is_shadowed
