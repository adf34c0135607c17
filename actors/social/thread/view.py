"""All that is said below posts: a post's page of the view `comments`. Read by `thread.read`, which asks who may."""

from typing import Any

from msgspec import Struct

from greenroom.actors.social.texts import kept
from greenroom.actors.social.thread.events import (
    Cleared,
    CommentDeleted,
    CommentEdited,
    CommentLiked,
    CommentMade,
    CommentUnliked,
    CommentVeiled,
    ThreadEvent,
)
from greenroom.actors.social.thread.messages import Veil
from greenroom.actors.social.thread.state import ThreadState
from greenroom.actors.views.columns import Index, Key, Text
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Comments(View, version=1):
    """Every comment that was not deleted, by post; those with a veil are seen by whose they are alone. Internal."""

    of = (CommentMade, CommentEdited, CommentDeleted, CommentVeiled, CommentLiked, CommentUnliked, Cleared)

    class Row(Struct):
        """A comment."""

        post: Key[str]  # its id
        offset: Key[int]  # the comment's name in its thread
        author: Index[str] = ""
        text: Text = ""
        at_ms: int = 0  # Unix
        edited_ms: int = 0
        reply_to: int = 0  # 0: none
        likes: int = 0
        veil: Veil = ""

    entity_key = "post"
    watch = Page(by="post", order="-offset", limit=50)

    def fold(self, event: ThreadEvent, of: Origin) -> None:
        match event:
            case CommentMade():
                row = self.row(post=of.key, offset=of.offset)
                row.author, row.text, row.at_ms = event.author, kept(event.text), of.at_ms
                row.reply_to, row.veil = event.reply_to, event.veil
            case Cleared():
                for comment in event.comments:
                    self._delete(of, comment)
            case CommentDeleted():
                self._delete(of, event.comment)
            case CommentEdited() | CommentVeiled() | CommentLiked() | CommentUnliked():
                row = self.find(post=of.key, offset=event.comment)
                if row is not None:
                    _change(row, event, of)

    def _delete(self, of: Origin, comment: int) -> None:
        row = self.find(post=of.key, offset=comment)
        if row is not None:
            del self[row]

    def seed(self, state: ThreadState, of: Origin) -> None:
        """Of older comments the thread itself knows no text any more."""
        for offset, said in state.window.items():
            row = self.row(post=of.key, offset=offset)
            row.author, row.text, row.at_ms, row.edited_ms = said.author, kept(said.text), said.at_ms, said.edited_ms
            row.reply_to, row.likes = state.replies.get(offset, 0), state.likes_of(offset)
            row.veil = state.veils.get(offset, "")


def _change(row: Any, event: CommentEdited | CommentVeiled | CommentLiked | CommentUnliked, of: Origin) -> None:
    match event:
        case CommentEdited():
            row.text, row.edited_ms, row.veil = kept(event.text), of.at_ms, event.veil
        case CommentVeiled():
            row.veil = event.veil
        case CommentLiked():
            row.likes += 1
        case CommentUnliked():
            row.likes -= 1
