"""Comments as rows."""

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
from greenroom.actors.social.thread.state import ThreadState
from greenroom.actors.social.thread.view import Comments
from greenroom.actors.testing.kit import EPOCH_S
from greenroom.actors.views.view import Origin
from greenroom.testing import fold
from tests.actors.social.post.posting import ID

T_MS = int(EPOCH_S * 1000)


def folded(*events: ThreadEvent) -> list[Comments.Row]:
    return fold(Comments, [(f"thread:{ID}", event) for event in events])


def test_a_comment_is_a_row_as_long_as_it_is_there() -> None:
    said = CommentMade(author="bob", text="one\0", reply_to=0)
    rows = folded(
        said,
        CommentMade(author="cat", text="two", reply_to=1),
        CommentEdited(comment=2, author="cat", text="three"),
        CommentLiked(comment=2, user="ann"),
        CommentLiked(comment=2, user="bob"),
        CommentUnliked(comment=2, user="bob"),
        CommentVeiled(comment=1, veil="pending"),
    )
    assert rows == [
        Comments.Row(post=ID, offset=1, author="bob", text="one", at_ms=T_MS, veil="pending"),
        Comments.Row(
            post=ID,
            offset=2,
            author="cat",
            text="three",
            at_ms=T_MS + 1_000,
            edited_ms=T_MS + 2_000,
            reply_to=1,
            likes=1,
        ),
    ]
    assert folded(said, CommentDeleted(comment=1, by="bob"), CommentLiked(comment=1, user="ann")) == []
    assert folded(said, said, said, Cleared(comments=[1, 3, 9])) == folded(said, said, CommentDeleted(comment=1, by=""))


def test_rows_are_made_of_a_state_too() -> None:
    state = ThreadState(author="ann")
    state.change(CommentMade(author="bob", text="one", veil="shadowed"), 4, 10)
    state.change(CommentLiked(comment=4, user="ann"), 5, 11)
    made: dict[int, Comments.Row] = {}

    class Rows:
        """Takes rows that are asked for."""

        def get(self, keys: dict[str, object]) -> Comments.Row:
            offset = keys["offset"]
            assert isinstance(offset, int)
            return made.setdefault(offset, Comments.Row(post=ID, offset=offset))

        def find(self, keys: dict[str, object]) -> None: ...

        def remove(self, row: object) -> None: ...

    Comments(Rows()).seed(state, Origin(f"thread:{ID}", 5, 11))
    assert made == {4: Comments.Row(post=ID, offset=4, author="bob", text="one", at_ms=10, likes=1, veil="shadowed")}
