"""Posts as rows."""

from collections.abc import Iterable
from typing import Any

import pytest

from greenroom import Event, Refused
from greenroom.actors.model.principal import Principal
from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.events import (
    CommentsCounted,
    Content,
    Deleted,
    Edited,
    Ended,
    Hidden,
    Published,
    ReactionChanged,
    ShardCounted,
    SharesCounted,
    Shown,
)
from greenroom.actors.social.post.reactions import ShardReactionChanged, ShardState
from greenroom.actors.social.post.state import PostState
from greenroom.actors.social.post.views import Posts, SaidInPosts, Tagged, Wall, WhoReacted, reacted_key
from greenroom.actors.views.view import Origin, View
from greenroom.testing import fold
from tests.actors.social.post.posting import ID, OTHER

CONTENT = Content(author="ann", text="#a #b", tags=["a", "b"], media=["m"], visibility="followers", share_of=OTHER)
PUBLISHED = Published(content=CONTENT)
EDITED = Edited(content=Content(author="ann", text="#b #c", tags=["b", "c"], edited_ms=5), tags_before=["a", "b"])
VIEWS: tuple[type[View], ...] = (Posts, Wall, Tagged, SaidInPosts)
GONE = (
    Deleted(author="ann", by="ann", tags=["b", "c"]),
    Ended(author="ann", tags=["b", "c"]),
    Hidden(author="ann", tags=["b", "c"]),
)


def rows(view: type[View], events: Iterable[Event]) -> list[Any]:
    return fold(view, [(f"post:{ID}", event) for event in events])


def test_a_post_is_a_row_with_all_that_is_shown() -> None:
    events = [
        PUBLISHED,
        ReactionChanged(user="bob", reaction="like"),
        ReactionChanged(user="bob", reaction="love", before="like"),
        ReactionChanged(user="cat", reaction="like"),
        ReactionChanged(user="cat", before="like"),
        ShardCounted(shard="0a", counts={"like": 7}, by={"like": 7}),
        ShardCounted(shard="0a", counts={"like": 6}, by={"like": -1}),
        CommentsCounted(count=4),
        SharesCounted(count=2),
    ]
    found = rows(Posts, events)
    assert found == [
        Posts.Row(
            id=ID,
            author="ann",
            at_ms=ms_of(ID),
            text="#a #b",
            media=["m"],
            tags=["a", "b"],
            visibility="followers",
            share_of=OTHER,
            reactions={"love": 1, "like": 6},
            comments=4,
            shares=2,
        )
    ]


def test_an_edit_moves_it_among_tags_and_keeps_counts() -> None:
    events = [PUBLISHED, ReactionChanged(user="bob", reaction="like"), EDITED]
    assert [row.tag for row in rows(Tagged, events)] == ["b", "c"]
    assert (rows(Posts, events)[0].text, rows(Posts, events)[0].reactions) == ("#b #c", {"like": 1})
    assert [row.text for row in rows(SaidInPosts, events)] == ["#b #c"]
    (wall,) = rows(Wall, events)
    assert wall.id == ID and not hasattr(wall, "text"), "hundreds are read at once, for names of posts"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("gone", GONE)
def test_what_is_gone_is_no_row_and_counts_that_come_late_make_none(view: type[View], gone: Event) -> None:
    late: list[Event] = [ReactionChanged(user="bob", reaction="like"), CommentsCounted(count=3)]
    assert rows(view, [PUBLISHED, EDITED, gone, *late]) == []
    assert rows(view, [gone]) == [], "before it was published, too"


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_shown_again_is_the_row_that_it_was(view: type[View]) -> None:
    counted: list[Event] = [PUBLISHED, ReactionChanged(user="bob", reaction="like"), CommentsCounted(count=3)]
    hidden = Hidden(author="ann", tags=["a", "b"])
    shown = Shown(content=CONTENT, reactions={"like": 1}, comments=3)
    assert rows(view, [*counted, hidden, shown]) == rows(view, counted) != []


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_pending_or_shadowed_is_a_row_that_says_so(view: type[View]) -> None:
    def marks(*events: Event) -> tuple[bool, bool]:
        row = rows(view, events)[0]
        return row.is_pending, row.is_shadowed

    pending = Published(content=CONTENT, is_pending=True)
    assert marks(pending) == (True, False)
    assert marks(Published(content=CONTENT, is_shadowed=True)) == (False, True)
    assert marks(pending, Shown(content=CONTENT)) == (False, False)
    assert marks(PUBLISHED, Edited(content=CONTENT, is_pending=True)) == (True, False)


@pytest.mark.parametrize("view", [*VIEWS, WhoReacted])
def test_nobody_watches_them(view: type[View]) -> None:
    with pytest.raises(Refused, match=r"view\.closed"):
        view.may_watch(Principal(user="ann"), "ann")


def test_who_has_said_what_is_known_of_the_post_and_of_its_parts() -> None:
    part = f"reactions:{ID}.0a"
    found = fold(
        WhoReacted,
        [
            (f"post:{ID}", ReactionChanged(user="bob", reaction="like")),
            (f"post:{ID}", ReactionChanged(user="bob", reaction="love", before="like")),
            (f"post:{ID}", ReactionChanged(user="cat", reaction="like")),
            (f"post:{ID}", ReactionChanged(user="cat", before="like")),
            (f"post:{ID}", ReactionChanged(user="nobody", before="like")),
            (part, ShardReactionChanged(user="cat", reaction="sad")),
            (part, ShardReactionChanged(user="dan", reaction="sad")),
            (part, ShardReactionChanged(user="dan", before="sad")),
        ],
    )
    assert found == [
        WhoReacted.Row(of=reacted_key(ID, "bob"), source=f"post:{ID}", reaction="love"),
        WhoReacted.Row(of=reacted_key(ID, "cat"), source=part, reaction="sad"),
    ]


class Seeded:
    """Takes the rows that a seed asks for."""

    def __init__(self, view: type[View]) -> None:
        self.view = view
        self.made: dict[str, Any] = {}

    def get(self, keys: dict[str, Any]) -> Any:
        return self.made.setdefault(str(keys), self.view.Row(**keys))

    def find(self, keys: dict[str, Any]) -> Any | None:
        return self.made.get(str(keys))

    def remove(self, row: Any) -> None:
        raise AssertionError("a seed removes nothing")


def seeded(view: type[View], state: Any, entity: str = f"post:{ID}") -> list[Any]:
    made = Seeded(view)
    view(made).seed(state, Origin(entity, 9, 9))
    return list(made.made.values())


@pytest.mark.parametrize("view", VIEWS)
def test_of_what_retention_has_taken_rows_are_made_of_the_state(view: type[View]) -> None:
    events: list[Any] = [PUBLISHED, ReactionChanged(user="bob", reaction="like"), CommentsCounted(count=3)]
    state = PostState()
    for event in events:
        state.change(event)
    assert seeded(view, state) == rows(view, events)
    state.change(Hidden(author="ann"))
    assert seeded(view, state) == [] == seeded(view, PostState())
    state = PostState()
    state.change(Published(content=CONTENT, is_pending=True))
    assert seeded(view, state) == rows(view, [Published(content=CONTENT, is_pending=True)])
    state.change(Deleted(author="ann", by="ann"))
    assert seeded(view, state) == []


def test_who_has_reacted_is_in_the_states_too() -> None:
    part = f"reactions:{ID}.0a"
    assert seeded(WhoReacted, ShardState(reactors={"bob": "like"}), part) == [
        WhoReacted.Row(of=reacted_key(ID, "bob"), source=part, reaction="like")
    ]
    assert seeded(WhoReacted, PostState(reactors={"bob": "wow"}))[0].reaction == "wow"
