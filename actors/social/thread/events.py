"""What was said below a post. The offset of `CommentMade` is from then on the comment's name."""

from msgspec import Struct

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Personal, Subject
from greenroom.actors.social.feed.messages import Visibility
from greenroom.actors.social.thread.messages import Veil


class Opened(Event, tag="thread.opened"):
    """There is a post."""

    author: Subject
    visibility: Visibility


class Closed(Event, tag="thread.closed"):
    """The post is gone, and nothing more is said of it."""


class Covered(Event, tag="thread.covered"):
    """The post is not to be seen, and what is said of it neither; or again."""

    covered: bool


class Cleared(Event, tag="thread.cleared"):
    """Of a post that is gone: these comments are, too."""

    comments: list[int]


class CommentMade(Event, omit_defaults=True, tag="thread.commented"):
    """Somebody said something."""

    author: Subject
    text: Personal[str]
    reply_to: int = 0
    veil: Veil = ""


class CommentEdited(Event, omit_defaults=True, tag="thread.edited"):
    """A comment has another text."""

    comment: int
    author: Subject
    text: Personal[str]
    veil: Veil = ""
    before: Veil = ""  # the one that it had


class CommentDeleted(Event, tag="thread.deleted"):
    """A comment was taken back."""

    comment: int
    by: Subject


class CommentVeiled(Event, omit_defaults=True, tag="thread.veiled"):
    """A comment is seen by whose it is alone; with no veil it is seen again."""

    comment: int
    veil: Veil = ""


class CommentLiked(Event, tag="thread.liked"):
    """Somebody likes a comment."""

    comment: int
    user: Subject


class CommentUnliked(Event, tag="thread.unliked"):
    """Not any more."""

    comment: int
    user: Subject


class NamedTold(Event, tag="thread.named_told"):
    """These have been told of a comment, or are not to be; either way that is settled."""

    comment: int
    users: list[Subject]


ThreadEvent = (
    Opened
    | Closed
    | Covered
    | Cleared
    | CommentMade
    | CommentEdited
    | CommentDeleted
    | CommentVeiled
    | CommentLiked
    | CommentUnliked
    | NamedTold
)


class LikedShown(Struct, frozen=True, tag_field="type", tag="thread.likes"):
    """Ephemeral: how many like a comment now."""

    offset: int
    likes: int


class CommentSaid(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="thread.said"):
    """Ephemeral: what a comment says, made or edited just now. The history has no texts: what was deleted or hidden
    since would be among them."""

    offset: int
    author: str
    text: str
    at_ms: int  # Unix
    edited_ms: int = 0
    reply_to: int = 0
    likes: int = 0


class CommentNew(Struct, frozen=True, tag_field="type", tag="thread.commented"):
    """There is a comment, whose name is this publication's offset. `thread.read` has what it says, where the reader may
    see it."""


class CommentAnew(Struct, frozen=True, tag_field="type", tag="thread.edited"):
    """A comment says something else, or may be seen again. `thread.read` has what it says, where the reader may see
    it."""

    comment: int


class CommentGone(Struct, frozen=True, tag_field="type", tag="thread.deleted"):
    """A comment is not to be seen any more."""

    comment: int
