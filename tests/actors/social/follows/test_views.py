"""The rows of edges, and of counts. Whatever people do: test_follows_at_random.py."""

from typing import Any

import pytest

from greenroom import Refused
from greenroom.actors.model.principal import ANONYMOUS, Principal
from greenroom.actors.social.follows.events import (
    FollowBegan,
    FollowEnded,
    FollowerGained,
    FollowerLost,
    PrivateSet,
)
from greenroom.actors.social.follows.messages import FOLLOWING_MAX
from greenroom.actors.social.follows.state import Followed, FollowsState
from greenroom.actors.social.follows.views import Authors, Followers, Following
from greenroom.actors.testing.kit import EPOCH_S
from greenroom.actors.views.folding import SEED_ROWS_MAX
from greenroom.actors.views.view import Origin
from greenroom.testing import fold
from tests.actors.social.profile.test_views import Made

T = int(EPOCH_S * 1000)
EDGES: list[tuple[str, Any]] = [
    ("follows:ann", FollowBegan(author="bob", seq=1)),
    ("follows:cat", FollowBegan(author="bob", seq=1)),
    ("follows:ann", FollowEnded(author="bob")),
    ("follows:ann", FollowBegan(author="cat", seq=2)),
]


def test_an_edge_is_a_row_at_either_end_while_there_is_one() -> None:
    assert fold(Following, EDGES) == [Following.Row("ann", "cat", T + 3_000), Following.Row("cat", "bob", T + 1_000)]
    assert fold(Followers, EDGES) == [Followers.Row("bob", "cat", T + 1_000), Followers.Row("cat", "ann", T + 3_000)]


def test_counts_are_of_what_came_less_what_went() -> None:
    happened = [
        *EDGES,
        ("follows:bob", FollowerGained(follower="ann")),
        ("follows:bob", FollowerGained(follower="cat")),
        ("follows:bob", PrivateSet(private=True)),
        ("follows:bob", FollowerLost(follower="ann")),
        ("follows:cat", FollowerGained(follower="ann")),
    ]
    assert fold(Authors, happened) == [
        Authors.Row("ann", 0, 1, False),
        Authors.Row("bob", 1, 0, True),
        Authors.Row("cat", 1, 1, False),
    ]


def test_rows_are_made_of_the_state_where_the_events_are_gone() -> None:
    edges = {"bob": Followed(1, 10), "cat": Followed(2, 20)}
    state, of = FollowsState(following=edges, followers=7, private=True), Origin("follows:ann", 9, 99)
    wanted = {
        Following: [Following.Row("ann", "bob", 10), Following.Row("ann", "cat", 20)],
        Followers: [Followers.Row("bob", "ann", 10), Followers.Row("cat", "ann", 20)],
        Authors: [Authors.Row("ann", 7, 2, True)],
    }
    for view, rows in wanted.items():
        made = Made(view.Row)
        view(made).seed(state, of)
        assert list(made.rows.values()) == rows
    assert FOLLOWING_MAX <= SEED_ROWS_MAX


def test_counts_are_everybodys_and_edges_nobodys_for_a_view_knows_no_block() -> None:
    Authors.may_watch(ANONYMOUS, "ann")
    for view in (Following, Followers):
        with pytest.raises(Refused, match=r"view\.closed"):
            view.may_watch(Principal(user="ann"), "ann")
