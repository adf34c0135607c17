"""Whether an order would come out as another one by now."""

from greenroom.actors.social.known.made_of import MOVES, MadeOf
from greenroom.actors.social.known.on_node import Fact
from greenroom.actors.social.known.posts import fact
from greenroom.actors.social.post.views import Posts

NOW_MS = 1_800_000_000_000


def facts(*likes: int) -> dict[str, Fact]:
    """Of posts that are as old as they have likes, an hour each."""
    rows = [
        Posts.Row(id=f"{number:032x}", author="bob", at_ms=NOW_MS - count * 3_600_000, reactions={"like": count})
        for number, count in enumerate(likes)
    ]
    return {row.id: fact(row, None, NOW_MS) for row in rows}


def done(known: dict[str, Fact]) -> dict[str, float]:
    return {post: one.done for post, one in known.items()}


def never(fact: Fact) -> bool:
    return False


def always(fact: Fact) -> bool:
    return True


def test_what_is_done_moves_a_post_by_as_much_as_it_counts() -> None:
    known = facts(0, 100)
    made_of = MadeOf(list(known), done(known))
    new, old = posts = made_of.posts
    assert posts == list(known)
    assert not made_of.has_moved(posts, known, always)
    often = fact(Posts.Row(id=old, author="bob", at_ms=NOW_MS - 360_000_000, reactions={"like": 101}), None, NOW_MS)
    assert not made_of.has_moved(posts, known | {old: often}, always)
    first = fact(Posts.Row(id=new, author="bob", at_ms=NOW_MS, reactions={"like": 1}), None, NOW_MS)
    assert first.done > MOVES and made_of.has_moved(posts, known | {new: first}, never)
    taken_back = MadeOf(posts, done(known | {new: first}))
    assert taken_back.has_moved(posts, known, never), "likewise where it is taken back"


def test_what_is_gone_moves_nothing() -> None:
    known = facts(3, 4)
    made_of = MadeOf(list(known), done(known))
    del known[made_of.posts[0]]
    assert not made_of.has_moved(made_of.posts, known, always)


def test_what_had_no_place_moves_it_once_it_has_one() -> None:
    known = facts(0, 4)
    first, second = known
    made_of = MadeOf([first, second], done({second: known[second]}))
    assert made_of.has_moved(made_of.posts, known, always)
    assert not made_of.has_moved(made_of.posts, known, never)
    assert not made_of.has_moved(made_of.posts, {second: known[second]}, always), "as long as it has no row"


def test_what_is_older_than_all_that_was_looked_at_is_not_lacking() -> None:
    posts = [f"{number:032x}" for number in range(4)]
    made_of = MadeOf(posts[1:3], {}, oldest=posts[1])
    assert not made_of.lacks_any_of([*posts[:3]]) and made_of.lacks_any_of(posts[3:])
    assert made_of.has_all(posts[1:3]) and not made_of.has_all(posts[:1])
    assert MadeOf([], {}).lacks_any_of(posts[:1])
