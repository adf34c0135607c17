"""What is guessed of posts that were shown before."""

import pytest

from greenroom.actors.social.known import seen as seen_module
from greenroom.actors.social.known.seen import Seen
from greenroom.actors.social.post.views import Posts


def test_whose_posts_they_are_and_whether_anybody_has_reacted() -> None:
    seen = Seen()
    seen.note([Posts.Row(id="1", author="ann"), Posts.Row(id="2", author="bob", reactions={"like": 1})])
    assert seen.authors("123") == {"ann", "bob"} and seen.reacted("321") == ["2"]
    seen.note([Posts.Row(id="1", author="ann", reactions={"wow": 2}), Posts.Row(id="2", reactions={"like": 0})])
    assert seen.reacted("12") == ["1"]


@pytest.mark.bound("posts of which a node guesses what a page of them depends on")
def test_those_that_came_longest_ago_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_module, "SEEN_MAX", 2)
    seen = Seen()
    rows = [Posts.Row(id=post, author=f"u{post}") for post in "123"]
    for row in rows:
        seen.note([row])
    assert len(seen) == 2 and seen.authors("123") == {"u2", "u3"}
